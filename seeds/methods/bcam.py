"""B-CAM: object and background pixels pooled apart, so that a mask needs no threshold.

Two aggregators (1x1 convolutions with a softmax over the pixels) pool an object feature and a background
feature; two classifiers, of objects and of backgrounds, judge both. Throughout, ``a_b`` names the classifier
``a`` applied to what the aggregator ``b`` pools.

Not built: the authors' layouts for VGG16 (aggregators on relu5_3, classifiers behind a 3x3 convolution) and
Inception v3 (behind SPG_A3_1b). Their backbones take ResNet50's layout here, which was never measured.

Source: Zhu et al., Background-aware Classification Activation Map, TPAMI 2023, and what the authors' code
(zh460045050/BCAM, commit afed766) computes where it differs from the paper.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seeds.contract import parameter_groups
from seeds.losses import full_precision
from seeds.methods.bcam_maps import (
    attention_pool,
    judge,
    pixel_attention,
    pooled_gradient_maps,
    threshold_free_mask,
)
from seeds.methods.bcam_recipes import EQUAL_WEIGHTS, PUBLISHED, Recipe, TermWeights
from wsss.backbones import Backbone, BatchNormMode, build_backbone, freeze_batch_norm
from wsss.errors import ConfigError
from wsss.ranges import OneOf, check_ranges

__all__ = ["PUBLISHED", "BCAMNet", "Recipe", "TermWeights", "threshold_free_mask"]

Layout = Literal["voc", "cub"]
Rule = Literal["cam", "difference", "gradient", "gradient_difference"]
# A class is where its map of these rules is above 0: nothing is left to choose.
THRESHOLD_FREE: tuple[Rule, ...] = ("difference", "gradient_difference")
_CHOICES = {"layout": OneOf(get_args(Layout)), "rule": OneOf(get_args(Rule))}

_AUTHORS_NAMES: dict[Layout, dict[str, str]] = {
    "voc": {
        "fc8_fore": "object_classifier",
        "fc8_back": "background_classifier",
        "fc_attp_fore": "object_aggregator",
        "fc_attp_back": "background_aggregator",
    },
    "cub": {
        "classifier_A": "object_classifier",
        "classifier_B": "background_classifier",
        "aggregator_A": "object_aggregator",
        "aggregator_B": "background_aggregator",
    },
}


class BCAMNet(nn.Module):
    """Background-aware classifier.

    Attributes:
        layout: "voc" is the authors' multi-label network (strides 2, 2, 2, 1; no biases; stem, layer1 and
            layer2 frozen, statistics of batch norm fixed; nothing detached at the heads). "cub" is their
            single-label one (strides 2, 2, 1, 1; biased classifiers; the background classifier sees detached
            pixels, while the attention it pools with still gets its gradient, which is not in the paper).
        rule: of `seed_maps`.
        weights: of the terms in ``total``.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        layout: Layout = "voc",
        heads: int = 20,
        backbone: str = "resnet50",
        pretrained: str | Path | None = None,
        rule: Rule = "cam",
        weights: TermWeights = EQUAL_WEIGHTS,
        frozen_levels: int | None = None,
        batch_norm: BatchNormMode | None = None,
    ) -> None:
        """Build the network.

        Args:
            num_classes: C, without background.
            layout: "voc" for any number of tags per image, "cub" for exactly one.
            heads: M, attention maps of each aggregator (the authors: 20 on VOC, 100 on CUB).
            backbone: name for `wsss.backbones.build_backbone`.
            pretrained: as in `build_backbone`.
            rule: of `seed_maps`.
            weights: of the terms in ``total``.
            frozen_levels: levels of the backbone that get no gradient, from the stem on; None: the layout's.
            batch_norm: as in `seeds.cam.CAMNet`; None: the layout's. A backbone that starts from random
                weights needs "train" and 0 frozen levels.

        Raises:
            ConfigError: an unknown layout, rule or backbone.
        """
        super().__init__()
        check_ranges({"layout": layout, "rule": rule}, _CHOICES)
        multi_label = layout == "voc"
        self.layout: Layout = layout
        self.rule: Rule = rule
        self.num_classes = num_classes
        self.weights = weights
        self.batch_norm: BatchNormMode = batch_norm or ("fixed_statistics" if multi_label else "train")
        self.backbone: Backbone = build_backbone(
            backbone, pretrained=pretrained, output_stride=16 if multi_label else 8
        )
        channels = self.backbone.channels[-1]
        self.object_classifier = nn.Conv2d(channels, num_classes, 1, bias=not multi_label)
        self.background_classifier = nn.Conv2d(channels, num_classes, 1, bias=not multi_label)
        self.object_aggregator = nn.Conv2d(channels, heads, 1, bias=False)
        self.background_aggregator = nn.Conv2d(channels, heads, 1, bias=False)
        self._initialize_heads()
        if frozen_levels is None:
            frozen_levels = 3 if multi_label else 0
        for level in self.backbone.levels[:frozen_levels]:
            level.requires_grad_(False)
        self.train()

    def _initialize_heads(self) -> None:
        if self.layout == "voc":
            # The background aggregator keeps PyTorch's default: the authors' code initialises the background
            # classifier twice instead, and their figures come from that.
            for head in (self.object_classifier, self.background_classifier, self.object_aggregator):
                nn.init.xavier_uniform_(head.weight)
            return
        for head in self._aggregators():
            nn.init.zeros_(head.weight)  # a uniform softmax: training starts as global average pooling
        for head in (self.object_classifier, self.background_classifier):
            nn.init.kaiming_normal_(head.weight, mode="fan_out")
            if head.bias is not None:
                nn.init.zeros_(head.bias)

    def heads(self) -> list[nn.Conv2d]:
        """The layers that no pretrained weights exist for; the classifier of objects comes first."""
        return [self.object_classifier, self.background_classifier, *self._aggregators()]

    def train(self, mode: bool = True) -> "BCAMNet":
        """Switch the mode; batch norm stays fixed where it is meant to."""
        super().train(mode)
        if self.batch_norm != "train":
            freeze_batch_norm(self.backbone, affine=self.batch_norm == "fixed")
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the objects on the object's pixels: (B, 3, H, W) -> (B, C)."""
        features = self._features(image)
        attention = pixel_attention(self.object_aggregator, features)
        return judge(self.object_classifier, attention_pool(features, attention))

    def logits(self, image: Tensor) -> Tensor:
        """The same, under the name that stages ask for."""
        return self(image)

    def all_logits(self, image: Tensor) -> dict[str, Tensor]:
        """Logits of both classifiers on both pooled features.

        Args:
            image: (B, 3, H, W) float, normalised.

        Returns:
            ``object_object``, ``background_object``, ``background_background`` and ``object_background``,
            each (B, C): the first name is the classifier, the second what is pooled.
        """
        return self.judge_features(self._features(image))

    def judge_features(self, features: Tensor) -> dict[str, Tensor]:
        """`all_logits` of the backbone's last features: (B, N, h, w) -> four times (B, C)."""
        seen = features.detach() if self.layout == "cub" else features
        on_object = pixel_attention(self.object_aggregator, features)
        on_background = pixel_attention(self.background_aggregator, features)
        return {
            "object_object": judge(self.object_classifier, attention_pool(features, on_object)),
            "background_object": judge(self.background_classifier, attention_pool(seen, on_object)),
            "background_background": judge(self.background_classifier, attention_pool(seen, on_background)),
            "object_background": judge(self.object_classifier, attention_pool(features, on_background)),
        }

    def losses(self, image: Tensor, tags: Tensor) -> dict[str, Tensor]:
        """The four terms of one training step, unweighted, and their weighted sum.

        Object pixels: the classifier of objects finds the tags, that of backgrounds finds every class that is
        *absent* (their background would fit). Background pixels: the first finds nothing, the second all.

        Args:
            image: (B, 3, H, W) float, normalised.
            tags: (B, C), 1 where the class is present; exactly one each with the layout "cub".

        Returns:
            ``object_object``, ``background_object``, ``background_background``, ``object_background`` and
            ``total``, each () float. Multi-label soft margin, but for the first term of the layout "cub",
            which is a cross entropy. (In the paper the last term is a cross entropy as well.)

        Raises:
            ValueError: shapes that do not fit, or with "cub" an image without exactly one tag.
        """
        self._check_tags(image, tags)
        return self._terms(image, tags)

    def _terms(self, image: Tensor, tags: Tensor) -> dict[str, Tensor]:
        """What `losses` gives; waits for nothing on a GPU."""
        logits = {name: full_precision(logit) for name, logit in self.all_logits(image).items()}
        present = (tags > 0).to(logits["object_object"])
        targets = {
            "object_object": present,
            "background_object": 1 - present,
            "background_background": torch.ones_like(present),
            "object_background": torch.zeros_like(present),
        }
        terms = {
            name: F.multilabel_soft_margin_loss(logits[name], target) for name, target in targets.items()
        }
        if self.layout == "cub":
            terms["object_object"] = F.cross_entropy(logits["object_object"], present.argmax(dim=1))
        weighted = [getattr(self.weights, name) * term for name, term in terms.items()]
        return {**terms, "total": torch.stack(weighted).sum()}

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Weighted sum and terms of a batch for `wsss.training.train_network`."""
        # Images of the layout "cub" with other than one tag are refused before the training.
        terms = self._terms(batch["image"], batch["tags"])
        loss = terms.pop("total")
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def maps(self, image: Tensor, *, rule: Rule = "cam") -> Tensor:
        """Map of every class by one rule, in the rule's own units, in one forward pass.

        Args:
            image: (B, 3, H, W) float, normalised; the network in evaluation mode.
            rule: with S and B the classifiers of objects and backgrounds applied to every pixel,
                "cam": relu(S), which is all that the authors' VOC code uses;
                "difference": relu(S - B), the paper's rule for VOC: above 0 on the object, no threshold;
                "gradient": the object's map of `gradient_maps`, of either sign, for thresholds and boxes (on
                VOC neither paper nor code has it);
                "gradient_difference": relu(object's - background's map): above 0 where `threshold_free_mask`
                is true.

        Returns:
            (B, C, h, w) float; >= 0 but for "gradient".

        Raises:
            ConfigError: the rule is unknown.
        """
        maps = self._signed_maps(self._features(image), rule)
        return maps if rule == "gradient" else maps.relu()

    def signed_maps(self, image: Tensor, *, rule: Rule | None = None) -> Tensor:
        """Map of every class before it is cut off at 0, in units that do not depend on the image's size.

        The gradient's maps are divided by their mean, which falls with the fourth power of the resolution:
        without that, scales could not be averaged. A mean over scales and a resize to the image, both before
        the sign is taken, keep it exact; resizing `seed_maps` widens what is above 0 by up to a cell.

        Args:
            image: (B, 3, H, W) float, normalised; the network in evaluation mode.
            rule: as in `maps`; None: the network's own.

        Returns:
            (B, C, h, w) float: S, S - B, object / mean, or (object - background) / mean.

        Raises:
            ConfigError: the rule is unknown.
        """
        rule = self.rule if rule is None else rule
        maps = self._signed_maps(self._features(image), rule)
        if rule in ("cam", "difference"):
            return maps
        norm, pixels = self._direction().square().sum(dim=1).view(-1, 1, 1), maps[0, 0].numel()
        # A class whose weights are 0 has maps of 0, and keeps them.
        return torch.where(norm > 0, maps * (pixels**2 / norm), maps)

    def seed_maps(self, image: Tensor) -> Tensor:
        """`signed_maps` (B, C, h, w) cut off at 0; of "gradient", whose sign means nothing, at the lowest."""
        maps = self.signed_maps(image)
        return maps - maps.amin(dim=(2, 3), keepdim=True) if self.rule == "gradient" else maps.relu()

    def gradient_maps(self, image: Tensor, label: Tensor, *, one_sign: bool = False) -> tuple[Tensor, Tensor]:
        """Object and background map of one class per image, as the authors' gradient rule gives them.

        Their rule: with the score s = object_object - background_object of the class, g its gradient at the
        pooled pixels and g' the mean of g over the pixels, the object's map is the product of g and g',
        summed over the channels; the background's is the same with s = background_background -
        object_background. Here the same numbers come from the forward pass: gradients through a softmax sum
        to zero over the pixels, so g' is known beforehand. (Hence both maps have the same mean, and
        `threshold_free_mask` of them is never the whole image; it is empty where they are equal, as they are
        before any training with the layout "cub".)

        Args:
            image: (B, 3, H, W) float, normalised; the network in evaluation mode.
            label: (B,) int, 0-based.
            one_sign: keep the channels with g' > 0 alone: the authors' rule for ILSVRC. (For OpenImages they
                take Grad-CAM of object_object alone and of background_background alone. With the layout
                "cub" these are `maps` with rule "cam", less bias and relu, over the number of pixels; and 0.)

        Returns:
            Two (B, h, w) floats of either sign, of the size of |weights| ** 2 / (h * w) ** 2: small.

        Raises:
            ValueError: ``label`` is not of shape (B,).

        Source: the authors' CUB code. The paper's score for the object is object_object - object_background.
        """
        if label.shape != (len(image),):
            raise ValueError(f"expected a label for each of {len(image)} images, got {tuple(label.shape)}")
        features = self._features(image)
        first, second = pooled_gradient_maps(
            features,
            self._aggregators(),
            direction=self._direction()[label][:, None],
            contrast=self._contrast()[label][:, None],
            one_sign=one_sign,
        )
        return first[:, 0], second[:, 0]

    def parameter_groups(self, learning_rate: float, *, factor: float = 10.0) -> list[dict[str, Any]]:
        """SGD's groups: pretrained layers, and those that learn faster.

        Args:
            learning_rate: of the pretrained layers.
            factor: on it for the heads and, with the layout "cub", the backbone's last level too.

        Returns:
            One or two groups, each with ``params`` that are trained and ``lr``.
        """
        new: list[nn.Module] = [*self.heads()]
        if self.layout == "cub":
            new.append(self.backbone.levels[-1])
        fast = [each for module in new for each in module.parameters() if each.requires_grad]
        groups = parameter_groups(self, learning_rate=learning_rate, heads=[(fast, factor)])
        return [{"lr": learning_rate, **group} for group in groups]

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load weights under the authors' names.

        Args:
            state_dict: torchvision's names (its ``fc`` is ignored) and for "voc" ``fc8_fore``,
                ``fc8_back``, ``fc_attp_fore``, ``fc_attp_back``; for "cub" ``classifier_A``,
                ``classifier_B`` (weight and bias), ``aggregator_A``, ``aggregator_B``. A leading ``module.``
                is dropped.

        Raises:
            ConfigError: entries are missing, unknown or of another shape; nothing is loaded then.
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        known, rest = self.backbone.rename_library_keys(plain)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        for key in tuple(rest):
            module, _, kind = key.rpartition(".")
            if module in _AUTHORS_NAMES[self.layout]:
                renamed[f"{_AUTHORS_NAMES[self.layout][module]}.{kind}"] = rest.pop(key)
            elif module == "fc":
                del rest[key]
        own = self.state_dict()
        rest |= {key: value for key, value in renamed.items() if key not in own}
        missing = [key for key in own if key not in renamed and not key.endswith("num_batches_tracked")]
        differing = [key for key in own if key in renamed and renamed[key].shape != own[key].shape]
        if missing or rest or differing:
            raise ConfigError(
                f"expected the authors' B-CAM weights of layout {self.layout!r} for {self.backbone.name}, "
                f"missing {missing[:3]}, unknown {sorted(rest)[:3]}, of another shape {differing[:3]}: give "
                "the state dict of the same network, class count and number of heads"
            )
        self.load_state_dict(renamed, strict=False)

    def _features(self, image: Tensor) -> Tensor:
        return self.backbone(image)[-1]

    def _check_tags(self, image: Tensor, tags: Tensor) -> None:
        if tags.shape != (len(image), self.num_classes):
            raise ValueError(f"expected tags ({len(image)}, {self.num_classes}), got {tuple(tags.shape)}")
        if self.layout == "cub" and not bool(((tags > 0).sum(dim=1) == 1).all()):
            raise ValueError(
                "expected exactly one tag per image with layout 'cub', got another number: use layout 'voc'"
            )

    def _aggregators(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        return self.object_aggregator, self.background_aggregator

    def _contrast(self) -> Tensor:
        """Weights (C, N) of S - B."""
        return (self.object_classifier.weight - self.background_classifier.weight).flatten(1)

    def _direction(self) -> Tensor:
        """Gradient (C, N) of both scores (up to the sign) at a pooled feature, as far as pixels see it."""
        return self.object_classifier.weight.flatten(1) if self.layout == "cub" else self._contrast()

    def _signed_maps(self, features: Tensor, rule: Rule) -> Tensor:
        """Maps (B, C, h, w) of pixels (B, N, h, w), in the rule's own units."""
        check_ranges({"rule": rule}, _CHOICES)
        if rule == "cam":
            return self.object_classifier(features)
        if rule == "difference":
            return self.object_classifier(features) - self.background_classifier(features)
        first, second = pooled_gradient_maps(
            features, self._aggregators(), direction=self._direction()[None], contrast=self._contrast()[None]
        )
        return first if rule == "gradient" else first - second
