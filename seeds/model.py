"""Multi-label Background Activation Suppression: a classifier and a generator of foreground maps."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from seeds.losses import background_share, full_precision, multi_label_classification_loss
from wsss.backbones import LEVELS, Backbone, BatchNormMode, build_backbone, freeze_batch_norm
from wsss.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the terms beside the classification (which has 1).

    Attributes:
        guidance: alpha, of the foreground guidance.
        area: beta; the paper has beta = alpha + lambda.
        background: lambda, of the background suppression.
    """

    guidance: float = 0.2
    area: float = 1.2
    background: float = 1.0


class BASNet(nn.Module):
    """Classifier and foreground generator on one cut backbone.

    Attributes:
        backbone: levels up to the cut give the features (B, N, h, w); those beyond it are the tail.
        classifier: 1x1 convolution to C classes, no bias.
        observer: called with the terms of each training step, for statistics.
        generator: 3x3 convolution to C maps, no bias; a sigmoid follows.
        last_generator: the same on the features of the last level, or None.
        normalizer: what the features pass before they reach the generators; `last_normalizer` likewise.

    Source: Zhai et al., IJCV 2023, section 4; initialisation of the heads from the authors' code.

    >>> network = BASNet("plain8", num_classes=3).eval()
    >>> network.maps(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 3, 4, 4])
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        num_classes: int = 20,
        foreground: bool = False,
        pretrained: str | Path | None = None,
        *,
        cut: int = 3,
        two_levels: bool = False,
        warmup_steps: int = 0,
        weights: LossWeights = LossWeights(),
        normalize_features: bool = False,
        batch_norm: BatchNormMode = "train",
        output_stride: int = 16,
    ) -> None:
        """Build the network.

        Args:
            backbone: name for `wsss.backbones.build_backbone`.
            num_classes: C, without background.
            foreground: add a generator of one class-agnostic map (paper 5.5).
            pretrained: as in `build_backbone`.
            cut: the generator sits after this level of the backbone, 1 to 4 (ResNet: layer1 to layer4).
            two_levels: ours: a second generator on the features of the last level, whose map is trained by
                the same terms; maps are the mean of both.
            warmup_steps: steps of classification alone before the maps are trained.
            weights: of the loss terms in `training_losses`.
            normalize_features: bring every channel of the features to mean 0 and deviation 1 before the
                generators. Features after a ReLU share one large positive mean, along which the area term
                pushes all maps of all images at once: class channels die of it in short trainings.
            batch_norm: of the backbone. "fixed_statistics": its pretrained statistics stay, its weights and
                biases are trained; "fixed": neither changes.
            output_stride: of the class map. The maps have the stride of the level that they are cut at.

        Raises:
            ConfigError: ``cut`` is out of range, or the last level with ``two_levels``.
        """
        super().__init__()
        check_cut(cut, two_levels=two_levels)
        self._cut = cut
        self.backbone: Backbone = build_backbone(backbone, pretrained=pretrained, output_stride=output_stride)
        self.classifier = nn.Conv2d(self.backbone.channels[-1], num_classes, 1, bias=False)
        here, last = self.backbone.channels[cut], self.backbone.channels[-1]
        self.normalizer = nn.BatchNorm2d(here, affine=False) if normalize_features else nn.Identity()
        self.generator = nn.Conv2d(here, num_classes, 3, padding=1, bias=False)
        norm_last = two_levels and normalize_features
        self.last_normalizer = nn.BatchNorm2d(last, affine=False) if norm_last else nn.Identity()
        self.last_generator = nn.Conv2d(last, num_classes, 3, padding=1, bias=False) if two_levels else None
        self.foreground_generator = nn.Conv2d(here, 1, 3, padding=1, bias=False) if foreground else None
        for head in self.heads():
            nn.init.xavier_uniform_(head.weight)
        self.num_classes = num_classes
        self.warmup_steps = warmup_steps
        self.weights = weights
        self.batch_norm = batch_norm
        self.observer: Callable[[dict[str, Tensor]], None] | None = None

    def heads(self) -> list[nn.Conv2d]:
        """The layers that no pretrained weights exist for."""
        heads = [self.classifier, self.generator, self.last_generator, self.foreground_generator]
        return [head for head in heads if head is not None]

    def train(self, mode: bool = True) -> "BASNet":
        """Switch the mode; batch norm stays fixed where it is meant to."""
        super().train(mode)
        if self.batch_norm != "train":
            freeze_batch_norm(self.backbone, affine=self.batch_norm == "fixed")
        return self

    def extract(self, image: Tensor) -> Tensor:
        """Features before the cut: (B, 3, H, W) -> (B, N, h, w)."""
        for level in self.backbone.levels[: self._cut + 1]:
            image = level(image)
        return image

    def classify(self, features: Tensor) -> Tensor:
        """Class map of features: (B, N, h, w) -> (B, C, h', w')."""
        return self.classifier(self._tail()(features))

    def forward(self, image: Tensor) -> Tensor:
        """Logits of an image batch: (B, 3, H, W) -> (B, C)."""
        return self.classify(self.extract(image)).mean(dim=(2, 3))

    def logits(self, image: Tensor) -> Tensor:
        """As `forward`, by the name that seed methods share."""
        return self(image)

    def maps(self, image: Tensor) -> Tensor:
        """Foreground map of every class.

        Args:
            image: (B, 3, H, W) float, normalized.

        Returns:
            (B, C, h, w) float in [0, 1] at the stride of the cut. The classifier is not run, the tail only
            where it has a generator of its own.
        """
        return self.seed_maps(image)[:, : self.num_classes]

    def seed_maps(self, image: Tensor) -> Tensor:
        """`maps`, and behind them the class-agnostic one where there is one: (B, C or C+1, h, w)."""
        return self._maps_of(self.extract(image))

    def _maps_of(self, features: Tensor, last: Tensor | None = None) -> Tensor:
        normalized = self.normalizer(features)
        maps = full_precision(self.generator(normalized)).sigmoid()
        if self.last_generator is not None:
            last = self._tail()(features) if last is None else last
            whole = full_precision(self.last_generator(self.last_normalizer(last))).sigmoid()
            maps = (maps + _resize(whole, maps)) / 2
        if self.foreground_generator is not None:
            maps = torch.cat([maps, full_precision(self.foreground_generator(normalized)).sigmoid()], dim=1)
        return maps

    def maps_and_cam(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """`seed_maps`, and the classifier's class map (B, C, h', w') >= 0 by one more pass of the tail."""
        features = self.extract(image)
        last = self._tail()(features)
        return self._maps_of(features, last), self.classifier(last).relu()

    def losses(self, image: Tensor, tags: Tensor, *, drawn_class: Tensor | None = None) -> dict[str, Tensor]:
        """All loss terms of one training step, unweighted.

        Args:
            image: (B, 3, H, W) float, normalized.
            tags: (B, C), 1 where the class is present; at least one each.
            drawn_class: (B,) int, 0-based class whose map is trained; drawn from each image's tags if None.

        Returns:
            ``classification``, ``foreground_guidance``, ``area``, ``background_suppression`` as () floats,
            ``logit`` (B, C); with a class-agnostic map also ``foreground_classification_guidance``,
            ``foreground_area`` and ``foreground_background_suppression``, with two levels those of the second
            as ``last_foreground_guidance``, ``last_area``, ``last_background_suppression``. Image by image,
            without gradient: ``drawn_class`` (B,), and for each of the L levels ``image_area`` and
            ``image_background`` (L, B).

        Raises:
            ValueError: an image without tags, or shapes that do not fit.
        """
        self._check_tags(image, tags)
        return self._terms(image, tags, draw_class(tags) if drawn_class is None else drawn_class)

    def _terms(self, image: Tensor, tags: Tensor, drawn_class: Tensor) -> dict[str, Tensor]:
        """What `losses` gives; waits for nothing on a GPU, so that the next step is prepared meanwhile."""
        features = self.extract(image)
        last = self._tail()(features)
        class_map = self.classifier(last)
        logit = class_map.mean(dim=(2, 3))
        normalized = self.normalizer(features)

        def suppress(scores: Tensor, erased: Tensor, path: Sequence[nn.Module]) -> tuple[Tensor, ...]:
            """Guidance, the map of the drawn class (B, 1, h, w), and L_bas (B,), of one generator."""
            drawn_map = full_precision(_pick(scores, drawn_class)).sigmoid()
            background_logit = _background_logit(path, erased, drawn_map)
            share = background_share(_pick(logit, drawn_class), _pick(background_logit, drawn_class))
            guidance = (class_map.detach() * _resize(drawn_map, class_map)).mean(dim=(2, 3))
            return F.cross_entropy(guidance, drawn_class), drawn_map, share

        path = (*self._tail(), self.classifier)
        found = [suppress(self.generator(normalized), features, path)]
        if self.last_generator is not None:
            scores = self.last_generator(self.last_normalizer(last))
            found.append(suppress(scores, last, (self.classifier,)))
        terms = {
            "classification": multi_label_classification_loss(logit, tags),
            "logit": logit,
            "drawn_class": drawn_class,
            "image_area": torch.stack([drawn_map.detach().mean(dim=(1, 2, 3)) for _, drawn_map, _ in found]),
            "image_background": torch.stack([share.detach() for _, _, share in found]),
        }
        for level, (guidance, drawn_map, share) in zip(("", "last_"), found, strict=False):
            terms[f"{level}foreground_guidance"] = guidance
            terms[f"{level}area"] = drawn_map.mean()
            terms[f"{level}background_suppression"] = share.mean()
        if self.foreground_generator is not None:
            agnostic = full_precision(self.foreground_generator(normalized)).sigmoid()
            terms |= self._foreground_losses(agnostic, features, class_map, logit, tags)
        return terms

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Weighted sum and terms for `wsss.training.train_network`; warm-up trains the classifier alone."""
        image, tags = batch["image"], batch["tags"]
        if step < self.warmup_steps:
            classification = multi_label_classification_loss(self(image), tags)
            return {"loss": classification, "classification": classification.detach()}
        # Images without tags are refused before the training.
        terms = self._terms(image, tags, draw_class(tags))
        if self.observer is not None:
            self.observer(terms)
        loss = terms["classification"]
        weights = {
            "foreground_guidance": "guidance",
            "area": "area",
            "background_suppression": "background",
            "last_foreground_guidance": "guidance",
            "last_area": "area",
            "last_background_suppression": "background",
            "foreground_classification_guidance": "guidance",
            "foreground_area": "area",
            "foreground_background_suppression": "background",
        }
        for term, weight in weights.items():
            if term in terms:
                loss = loss + getattr(self.weights, weight) * terms[term]
        return {"loss": loss, **{name: value.detach() for name, value in terms.items() if value.ndim == 0}}

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> list[str]:
        """Load weights under the authors' names; they have no class-agnostic map.

        Args:
            state_dict: torchvision's names, ``classifier_cls.weight`` (C, N', 1, 1) and
                ``classifier_loc.0.weight`` (C, N, 3, 3); a leading ``module.`` is dropped.

        Returns:
            Names of entries that were left out: none.

        Raises:
            ConfigError: entries are missing or unknown.
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        known, rest = self.backbone.rename_library_keys(plain)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        heads = {"classifier_cls.weight": "classifier.weight", "classifier_loc.0.weight": "generator.weight"}
        renamed |= {heads[key]: rest.pop(key) for key in tuple(rest) if key in heads}
        result = self.load_state_dict(renamed, strict=False)
        missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
        if missing or rest:
            raise ConfigError(
                f"expected the authors' BAS weights for {self.backbone.name}, missing {missing[:3]}, unknown "
                f"{sorted(rest)[:3]}: give the state dict of the same network and class count"
            )
        return []

    def _tail(self) -> nn.Sequential:
        return nn.Sequential(*self.backbone.levels[self._cut + 1 :])

    def _foreground_losses(
        self, agnostic: Tensor, features: Tensor, class_map: Tensor, logit: Tensor, tags: Tensor
    ) -> dict[str, Tensor]:
        """Terms of the class-agnostic map: the background suppression is summed over the present classes."""
        background_logit = _background_logit((*self._tail(), self.classifier), features, agnostic)
        share = background_share(logit.flatten(), background_logit.flatten()).view_as(logit)
        guidance = (class_map.detach() * _resize(agnostic, class_map)).mean(dim=(2, 3))
        return {
            "foreground_classification_guidance": multi_label_classification_loss(guidance, tags),
            "foreground_area": agnostic.mean(),
            "foreground_background_suppression": (share * (tags > 0)).sum(dim=1).mean(),
        }

    def _check_tags(self, image: Tensor, tags: Tensor) -> None:
        if tags.shape != (len(image), self.num_classes):
            raise ValueError(f"expected tags ({len(image)}, {self.num_classes}), got {tuple(tags.shape)}")
        if not bool((tags > 0).any(dim=1).all()):
            raise ValueError(
                "expected at least one tag per image, got an image without: leave it out of training"
            )


def check_cut(cut: int, *, two_levels: bool) -> None:
    """Refuse a level that no generator can sit on.

    Raises:
        ConfigError: ``cut`` is out of range, or the last level where that has a generator of its own.
    """
    last = LEVELS - 1 - two_levels
    if not 1 <= cut <= last:
        beside = " with model.two_levels=True" if two_levels else ""
        raise ConfigError(f"expected cut 1 to {last}{beside}, got {cut}: correct 'model.cut'")


def draw_class(tags: Tensor) -> Tensor:
    """Draw one of the present classes of each image, all with the same chance.

    Args:
        tags: (B, C), 1 where the class is present; at least one each.

    Returns:
        (B,) int, 0-based. The draws are those of ``torch.multinomial``, which waits for the GPU to check its
        input at every call.
    """
    chances = tags.float()
    return (chances / torch.empty_like(chances).exponential_()).argmax(dim=1)


def _background_logit(path: Sequence[nn.Module], features: Tensor, drawn_map: Tensor) -> Tensor:
    """Logits (B, C) of the features outside a map, by the same weights of the path held constant.

    Batch norm works on the erased features' own statistics but on copies of its buffers, so that the real
    network's running statistics never see them. The authors copy both modules each step for that.
    """
    whole = nn.Sequential(*path)
    constants = {name: parameter.detach() for name, parameter in whole.named_parameters()}
    constants |= {name: buffer.clone() for name, buffer in whole.named_buffers()}
    erased = features.detach() * (1 - drawn_map).to(features.dtype)
    return functional_call(whole, constants, (erased,)).mean(dim=(2, 3))


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Entry ``index[b]`` of each row: (B, C) -> (B,), or (B, C, h, w) -> (B, 1, h, w)."""
    rows = torch.arange(len(values), device=values.device)
    return values[rows, index] if values.ndim == 2 else values[rows, index].unsqueeze(1)


def _resize(maps: Tensor, like: Tensor) -> Tensor:
    """Bring maps to the grid of ``like``; the grids differ only where the tail has a stride."""
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return F.interpolate(maps, like.shape[2:], mode="bilinear", align_corners=False)
