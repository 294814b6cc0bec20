"""Background Activation Suppression for localisation: one class per image, one foreground map per class."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from seeds.localization_backbones import build_localization_backbone, check_shapes
from seeds.localization_maps import evaluating, map_of_class, mean_map_of_best
from seeds.losses import background_share, full_precision
from wsss.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Version:
    """What the two publications' codes do differently in the network.

    Attributes:
        final_relu: the classifier ends with a ReLU, so that class maps are >= 0.
        constant: value of the suppression where the background beats the whole image, by backbone.
        replaces_ties: it is that value too where the two are equal.
        epsilon: of the min-max normalisation of maps.
    """

    final_relu: bool
    constant: Mapping[str, float]
    replaces_ties: bool
    epsilon: float


# plain8, which was not published, has what the others with batch norm have.
_ZEROS = {"vgg16": 0.0, "resnet50": 0.0, "mobilenetv1": 0.0, "inception_v3": 0.0, "plain8": 0.0}
VERSIONS = {
    "ijcv": Version(
        final_relu=False,
        constant={**_ZEROS, "resnet50": 1.0, "mobilenetv1": 1.0, "inception_v3": 1.0, "plain8": 1.0},
        replaces_ties=False,
        epsilon=1e-5,
    ),
    "cvpr22": Version(final_relu=True, constant=_ZEROS, replaces_ties=True, epsilon=0.0),
    # The conference's code for ILSVRC also keeps its copies of the tail for good; their running statistics
    # are never read, so that nothing else follows from it.
    "cvpr22_ilsvrc": Version(final_relu=True, constant=_ZEROS, replaces_ties=False, epsilon=0.0),
}


class LocalizationBAS(nn.Module):
    """Classifier and foreground generator on one cut backbone, trained on one class per image.

    Attributes:
        backbone: its extractor gives the features (B, N, h, w), stride 8; its tail halves their grid.
        classifier: two 3x3 convolutions and a 1x1 convolution to C classes.
        normalizer: what the features pass before they reach the generator.
        generator: 3x3 convolution to C maps with bias; a sigmoid follows.
        version: the differences between the publications, as chosen.

    Source: Wu et al., CVPR 2022 ("cvpr22"), and Zhai et al., IJCV 2023, section 3 ("ijcv"); where paper and
    code differ, the code.
    """

    def __init__(
        self,
        backbone: str,
        num_classes: int,
        *,
        alpha: float,
        beta: float,
        version: str = "ijcv",
        hidden: int = 1024,
        pretrained: str | Path | None = None,
        normalize_features: bool = False,
        warmup_steps: int = 0,
    ) -> None:
        """Build the network; `seeds.localization_recipes.PUBLISHED` has the published settings.

        Args:
            backbone: vgg16, resnet50, mobilenetv1 or inception_v3.
            num_classes: C.
            alpha: weight of the classification of what the map shows (guidance).
            beta: weight of the map's area.
            version: name of one of `VERSIONS`.
            hidden: channels of the classifier's 3x3 convolutions; 1024 as published.
            pretrained: as in `build_localization_backbone`.
            normalize_features: as in `seeds.model.BASNet`; ours, the authors have it not.
            warmup_steps: steps of classification alone before the maps are trained; ours too.

        Raises:
            ConfigError: unknown backbone or version, or weights that do not fit.
        """
        super().__init__()
        if version not in VERSIONS:
            raise ConfigError(
                f"expected a version out of {', '.join(VERSIONS)}, got {version!r}: correct 'version'"
            )
        self.version = VERSIONS[version]
        self.backbone = build_localization_backbone(backbone, pretrained=pretrained)
        features, deepest = self.backbone.channels
        layers: list[nn.Module] = [
            nn.Conv2d(deepest, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, num_classes, 1),
        ]
        self.classifier = nn.Sequential(*layers, *([nn.ReLU()] if self.version.final_relu else []))
        self.normalizer = nn.BatchNorm2d(features, affine=False) if normalize_features else nn.Identity()
        self.generator = nn.Conv2d(features, num_classes, 3, padding=1)
        self.num_classes = num_classes
        self.alpha = alpha
        self.beta = beta
        self.warmup_steps = warmup_steps
        for module in self._new_layers():
            _initialize(module, like_vgg=backbone == "vgg16")

    def forward(self, image: Tensor) -> Tensor:
        """Logits of an image batch: (B, 3, H, W) -> (B, C)."""
        return self._class_map(self.backbone.extractor(image)).mean(dim=(2, 3))

    def logits(self, image: Tensor) -> Tensor:
        """The same, under the name that stages ask for."""
        return self(image)

    def seed_maps(self, image: Tensor) -> Tensor:
        """Foreground map of every class: (B, 3, H, W) -> (B, C, H / 8, W / 8) in [0, 1]; no tail is run."""
        return self._foreground_maps(self.backbone.extractor(image))

    def maps(self, image: Tensor, *, top_k: int = 1, label: Tensor | None = None) -> Tensor:
        """Foreground map of each image, in evaluation mode whatever mode the network is in.

        Args:
            image: (B, 3, H, W) float, normalised with the ImageNet mean and deviation.
            top_k: classes whose maps are averaged, 1 to C.
            label: (B,) int, 0-based class of each image; read where ``top_k`` is 1 only.

        Returns:
            (B, 1, H / 8, W / 8) float in [0, 1], not stretched (`normalize_maps`): the map of ``label``
            where ``top_k`` is 1 and a label is given, else the mean map of the best predicted classes.

        Raises:
            ValueError: ``top_k`` or a label is out of range.

        Source: the authors' code takes the k best predicted classes; the paper says that the ground-truth
        class is always among them.
        """
        with evaluating(self):
            features = self.backbone.extractor(image)
            if top_k == 1 and label is not None:
                self._check_label(image, label)
                return map_of_class(self.normalizer(features), self.generator, label)
            logit = self._class_map(features).mean(dim=(2, 3))
            return mean_map_of_best(self._foreground_maps(features), logit, top_k=top_k)

    def losses(self, image: Tensor, label: Tensor) -> dict[str, Tensor]:
        """All terms of one training step.

        Args:
            image: (B, 3, H, W) float, normalised with the ImageNet mean and deviation.
            label: (B,) int, 0-based class of each image.

        Returns:
            ``logit`` and ``guidance_logit`` (B, C); ``whole_logit``, ``background_logit`` (of the label),
            ``background_suppression`` and ``area``, (B,) each; ``map`` (B, 1, H / 8, W / 8);
            ``classification`` and ``guidance`` (), the cross entropies; ``total`` (), the weighted sum.

        Raises:
            ValueError: shapes that do not fit, or a label out of range.
        """
        self._check_label(image, label)
        return self._terms(image, label)

    def _terms(self, image: Tensor, label: Tensor) -> dict[str, Tensor]:
        """What `losses` gives; waits for nothing on a GPU."""
        features = self.backbone.extractor(image)
        class_map = self._class_map(features)
        logit = class_map.mean(dim=(2, 3))
        foreground = map_of_class(self.normalizer(features), self.generator, label)
        background_logit = _pick(self._background_logit(features, foreground), label)
        whole_logit = _pick(logit, label)
        suppression = suppressed_share(
            whole_logit,
            background_logit,
            constant=self.version.constant[self.backbone.name],
            replaces_ties=self.version.replaces_ties,
        )
        # Gradients flow into the class map here, unlike in multi-label BAS. Sizes that are no multiple of 16
        # have no 2 x 2 windows that fit; on all others this is the authors' AvgPool2d(2).
        shown = F.adaptive_avg_pool2d(foreground, (class_map.shape[2], class_map.shape[3]))
        guidance_logit = (class_map * shown).mean(dim=(2, 3))
        classification = F.cross_entropy(logit, label)
        guidance = F.cross_entropy(guidance_logit, label)
        area = foreground.mean(dim=(1, 2, 3))
        return {
            "logit": logit,
            "guidance_logit": guidance_logit,
            "whole_logit": whole_logit.detach(),
            "background_logit": background_logit.detach(),
            "background_suppression": suppression,
            "area": area,
            "map": foreground,
            "classification": classification,
            "guidance": guidance,
            "total": classification + self.alpha * guidance + suppression.mean() + self.beta * area.mean(),
        }

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Weighted sum and terms for `wsss.training.train_network`.

        Args:
            batch: ``image`` (B, 3, H, W) and ``tags`` (B, C) with one class per image; others are refused
                before the training (`seeds.single_tag`).
            step: the first ones are of classification alone where there is a warm-up.
        """
        label = (batch["tags"] > 0).int().argmax(dim=1)
        if step < self.warmup_steps:
            classification = F.cross_entropy(self(batch["image"]), label)
            return {"loss": classification, "classification": classification.detach()}
        terms = self._terms(batch["image"], label)
        logged = ("classification", "guidance", "background_suppression", "area")
        return {"loss": terms["total"], **{name: terms[name].detach().mean() for name in logged}}

    def parameter_groups(self, *, learning_rate: float) -> list[dict[str, Any]]:
        """SGD's groups: new layers learn 10 times as fast, biases twice as fast as the rest of their layer.

        Args:
            learning_rate: of the backbone's weights.

        Returns:
            Groups ``params`` and ``lr``: the backbone's weights (batch norm's too) x1 and biases x2, the
            classifier's and the generator's weights x10 and biases x20. Frozen parameters are left out.
        """
        groups: dict[float, list[nn.Parameter]] = {1.0: [], 2.0: [], 10.0: [], 20.0: []}
        for name, parameter in self.named_parameters():
            factor = 10.0 if name.startswith(("classifier.", "generator.")) else 1.0
            factor *= 2.0 if name.endswith(".bias") else 1.0
            if parameter.requires_grad:
                groups[factor].append(parameter)
        return [
            {"params": parameters, "lr": factor * learning_rate}
            for factor, parameters in groups.items()
            if parameters
        ]

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load weights under the authors' names.

        Args:
            state_dict: the backbone's entries as in `LocalizationBackbone.rename_library_keys`,
                ``classifier_cls.{0,2,4}`` and ``classifier_loc.0`` with weight and bias each; a leading
                ``module.`` is dropped.

        Raises:
            ConfigError: entries are missing or unknown, or have other shapes.
        """
        known, rest = self.backbone.rename_library_keys(state_dict)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        own = self.state_dict()
        for key in tuple(rest):
            ours = key.replace("classifier_cls.", "classifier.").replace("classifier_loc.0.", "generator.")
            if ours != key and ours in own:
                renamed[ours] = rest.pop(key)
        missing = [key for key in own if key not in renamed and "num_batches_tracked" not in key]
        if missing or rest:
            raise ConfigError(
                f"expected the authors' BAS weights for {self.backbone.name}, missing {missing[:3]}, unknown "
                f"{sorted(rest)[:3]}: give the state dict of the same network and class count"
            )
        check_shapes(renamed, own, source="the given state dict")
        self.load_state_dict(renamed, strict=False)

    def _new_layers(self) -> list[nn.Conv2d]:
        """The layers that no pretrained weights exist for."""
        heads = [*self.classifier, self.generator]
        return [module for module in heads if isinstance(module, nn.Conv2d)]

    def _foreground_maps(self, features: Tensor) -> Tensor:
        """Foreground map of every class: (B, N, h, w) -> (B, C, h, w) in [0, 1]."""
        return full_precision(self.generator(self.normalizer(features))).sigmoid()

    def _class_map(self, features: Tensor) -> Tensor:
        return self.classifier(self.backbone.tail(features))

    def _background_logit(self, features: Tensor, foreground: Tensor) -> Tensor:
        """Logits (B, C) of the features outside a map, by the same weights held constant.

        Batch norm works on the erased features' own statistics but on copies of its buffers, so that the
        real network's running statistics never see them. The authors copy both modules each step for that.
        """
        path = nn.Sequential(self.backbone.tail, self.classifier)
        constants = {name: parameter.detach() for name, parameter in path.named_parameters()}
        constants |= {name: buffer.clone() for name, buffer in path.named_buffers()}
        erased = features.detach() * (1 - foreground)
        return functional_call(path, constants, (erased,)).mean(dim=(2, 3))

    def _check_label(self, image: Tensor, label: Tensor) -> None:
        if label.shape != (len(image),):
            raise ValueError(
                f"expected a label ({len(image)},), got {tuple(label.shape)}: give one class for each image"
            )
        # A negative index would take a class from the end.
        if not bool(((label >= 0) & (label < self.num_classes)).all()):
            raise ValueError(
                f"expected labels 0 to {self.num_classes - 1}, got {label.tolist()}: count classes from 0"
            )


def suppressed_share(
    whole_logit: Tensor, background_logit: Tensor, *, constant: float, replaces_ties: bool = False
) -> Tensor:
    """Share of the class evidence that survives once the foreground is erased, image by image.

    Args:
        whole_logit: (B,) float, of the label on the whole features. A constant: no gradient flows into it.
        background_logit: (B,) float, of the label on features x (1 - map).
        constant: value, without gradient, where the background's logit is above the whole image's. Both
            count as 0 below 0.
        replaces_ties: it is that value too where the two are equal.

    Returns:
        (B,) float in [0, 1].

    Raises:
        ValueError: the inputs are not both of shape (B,).
    """
    share = background_share(whole_logit, background_logit)
    whole, rest = whole_logit.detach().relu(), background_logit.detach().relu()
    wins = rest >= whole if replaces_ties else rest > whole
    return torch.where(wins, torch.full_like(share, constant), share)


def _initialize(layer: nn.Conv2d, *, like_vgg: bool) -> None:
    """VGG16: normal of deviation .02, PyTorch's own biases. The others: Xavier uniform, biases 0."""
    if like_vgg:
        nn.init.normal_(layer.weight, std=0.02)
        return
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Entry ``index[b]`` of each row: (B, C) -> (B,)."""
    return values.gather(1, index[:, None]).squeeze(1)
