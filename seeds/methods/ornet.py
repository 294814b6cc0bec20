"""ORNet: a map from low-level features, refined against a classifier that sees the masked image.

Three trainings in turn, each with its own network: "coarse", `CoarseModel` (generator and classifier
together), "evaluator", `Evaluator` (a classifier of whole images), and "fine", `FineStage` (the end of the
generator, judged by the frozen evaluator), which holds the other two and gives maps and logits.
`OPTIMIZATION` says how the authors train each.

Source: Xie et al., ICCV 2021, and the authors' code, which has the evaluator and the fine stage for CUB only.
Where the two disagree, `CHOICES` names both. Ours, because neither says it:

- VGG16 (the paper's backbone, not in the code): the low-level feature is the first of stride 4, after the
  second pooling, 128 channels; one linear layer on the mean of the last level classifies.
- All levels of the coarse model start from the given weights. The code does so for 200 classes and leaves
  the last level random for any other number.
- Several tags per image: `seeds.losses.multi_label_classification_loss`, plain cross entropy for one tag.
- The paper's erased region drops pixels with probability .5; that the map is brought to .6 p + .2 first is
  from the code, in both settings.
- The evaluator's image is normalized before it is masked: what is masked gets the mean colour.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seeds.losses import multi_label_classification_loss
from seeds.methods.ornet_coarse import CoarseModel, LowLevelGenerator, load_exactly
from seeds.methods.ornet_refinement import (
    area_loss,
    attentive_erasing,
    draw_erasing,
    masked_image,
    weighted_entropy_loss,
)
from wsss.backbones import Backbone, build_backbone
from wsss.backbones.downloads import downloading
from wsss.errors import ConfigError
from wsss.training import Schedule
from wsss.weights import load_weights

__all__ = [
    "CHOICES",
    "OPTIMIZATION",
    "Choices",
    "CoarseModel",
    "Evaluator",
    "FineStage",
    "LowLevelGenerator",
    "Optimization",
    "SmallEvaluator",
    "area_loss",
    "choices_of",
    "weighted_entropy_loss",
]


@dataclasses.dataclass(frozen=True)
class Choices:
    """Where the paper and the authors' code are two systems.

    Attributes:
        backbone: of the coarse model.
        area_top_k: the area term adds the features of classes ranked 4 to this; None: it has the map alone.
        drop_probability: of a pixel in the erased region; None: p' itself, .6 p + .2.
    """

    backbone: str
    area_top_k: int | None
    drop_probability: float | None


CHOICES: Mapping[str, Choices] = MappingProxyType(
    {
        "paper": Choices(backbone="vgg16", area_top_k=None, drop_probability=0.5),
        "code": Choices(backbone="resnet50", area_top_k=25, drop_probability=None),
    }
)


def choices_of(settings: str) -> Choices:
    """The entry of `CHOICES`.

    Raises:
        ConfigError: there is none of this name.
    """
    if settings not in CHOICES:
        raise ConfigError(
            f"expected settings out of {', '.join(CHOICES)}, got {settings!r}: correct 'settings'"
        )
    return CHOICES[settings]


@dataclasses.dataclass(frozen=True)
class Optimization:
    """How one of the trainings is run.

    Attributes:
        optimizer: "sgd" or "adam".
        learning_rate: at the start.
        epochs: passes over the data.
        batch_size: images per step.
        cosine: the rate falls to 0 as a cosine over all steps; otherwise it stays.
        momentum: of SGD.
        weight_decay: of all parameters.
    """

    optimizer: str
    learning_rate: float
    epochs: int
    batch_size: int
    cosine: bool
    momentum: float = 0.0
    weight_decay: float = 0.0

    def rates(self, epochs: int) -> Mapping[str, Any]:
        """The course of the rate over a number of epochs, for `wsss.training.Schedule`."""
        if not self.cosine:
            return {"type": "ConstantLR", "factor": 1.0}
        return {"type": "CosineAnnealingLR", "T_max": epochs, "convert_to_iter_based": True}

    def schedule(self, **others: Any) -> Schedule:
        """The schedule for `wsss.training.train_network`; ``others`` are further settings of it."""
        return Schedule(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            rates=self.rates(self.epochs),
            optimizer=self.optimizer,
            **others,
        )


# For CUB. ILSVRC (paper): batches of 256, "5 + 3" epochs. How the rate goes in "coarse" is not stated.
OPTIMIZATION: Mapping[str, Optimization] = MappingProxyType(
    {
        "coarse": Optimization("adam", 1e-3, epochs=70, batch_size=16, cosine=False),
        "evaluator": Optimization(
            "sgd", 1e-3, epochs=200, batch_size=16, cosine=True, momentum=0.9, weight_decay=5e-4
        ),
        "fine": Optimization("adam", 1e-4, epochs=30, batch_size=16, cosine=True),
    }
)


class _Judge(nn.Module):
    """What both evaluators are trained by."""

    def training_losses(self, batch: Mapping[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Cross entropy of whole images, for `train_network`.

        Args:
            batch: ``image`` (B, 3, 224, 224) normalized, ``tags`` (B, C) multi-hot.
            step: not used.

        Returns:
            ``loss`` ().
        """
        return {"loss": multi_label_classification_loss(self(batch["image"]), batch["tags"])}


class Evaluator(_Judge):
    """VGG16 as torchvision has it, dropout included, with a new last layer.

    Attributes:
        features: the convolutions.
        classifier: the linear layers; names are torchvision's.
    """

    def __init__(self, num_classes: int, *, pretrained: str | Path | None = None) -> None:
        """Build the classifier.

        Args:
            num_classes: C, without background.
            pretrained: None for random weights, "imagenet" for torchvision's (downloaded once), or the path
                of a state dict of torchvision's vgg16, linear layers included; its last one is not taken.

        Raises:
            ConfigError: the weights do not fit.
        """
        super().__init__()
        from torchvision import models

        with downloading("vgg16", pretrained):
            network: Any = models.get_model(
                "vgg16", weights="IMAGENET1K_V1" if pretrained == "imagenet" else None
            )
        self.features: nn.Module = network.features
        self.classifier: nn.Sequential = network.classifier
        self.classifier[-1] = nn.Linear(cast(nn.Linear, self.classifier[-1]).in_features, num_classes)
        if pretrained is not None and pretrained != "imagenet":
            what = "weights of torchvision's vgg16 with its linear layers"
            state = load_weights(pretrained, what=what, setting="evaluator_pretrained")
            last = f"classifier.{len(self.classifier) - 1}."
            own = {name: value for name, value in self.state_dict().items() if name.startswith(last)}
            load_exactly(self, state | own, f"{what} in {pretrained}")

    def forward(self, image: Tensor) -> Tensor:
        """Logits: (B, 3, H, W) normalized, 224 x 224 in the paper -> (B, C)."""
        return self.classifier(F.adaptive_avg_pool2d(self.features(image), 7).flatten(1))


class SmallEvaluator(_Judge):
    """Any backbone with one linear layer, where the VGG16 of paper and code is too large. Ours.

    Attributes:
        backbone: at stride 16.
        classifier: on the mean of its last level.
    """

    def __init__(self, num_classes: int, *, backbone: str, pretrained: str | Path | None = None) -> None:
        """Build the classifier; arguments as of `CoarseModel`."""
        super().__init__()
        self.backbone = build_backbone(backbone, pretrained=pretrained)
        self.classifier = nn.Linear(self.backbone.channels[-1], num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits: (B, 3, H, W) normalized -> (B, C)."""
        return self.classifier(self.backbone(image)[-1].mean(dim=(2, 3)))


class FineStage(nn.Module):
    """Stage two: the end of the generator, trained by what the frozen evaluator makes of the masked image.

    As in the code, batch norm of the frozen layers works on batch statistics (and its running ones move), and
    the frozen evaluator's dropout is active while training.

    Attributes:
        coarse: its low-level feature and its generator are used; its classifier is not run.
        evaluator: the judge.
        choices: paper or code.
    """

    def __init__(
        self,
        coarse: CoarseModel,
        evaluator: Evaluator | SmallEvaluator,
        *,
        choices: Choices = CHOICES["code"],
        area_weight: float = 0.02,
        entropy_weight: float = 1.5,
        random: torch.Generator | None = None,
    ) -> None:
        """Join the two networks, which are not copied, and freeze what is not trained.

        Args:
            coarse: trained.
            evaluator: trained.
            choices: paper or code; the backbone is not looked at, ``coarse`` has it.
            area_weight: of `area_loss`.
            entropy_weight: of `weighted_entropy_loss`.
            random: draws what is erased, on the CPU; None: PyTorch's own, which the training seeds.
        """
        super().__init__()
        self.coarse = coarse
        self.evaluator = evaluator
        self.choices = choices
        self.area_weight = area_weight
        self.entropy_weight = entropy_weight
        self._random = random
        self.requires_grad_(False)
        for layer in coarse.generator.refined():
            layer.requires_grad_(True)

    @property
    def backbone(self) -> Backbone:
        """That of the coarse model, for later stages."""
        return self.coarse.backbone

    def logits(self, image: Tensor) -> Tensor:
        """Logits of the whole image by the evaluator: (B, 3, H, W) normalized -> (B, C)."""
        return self.evaluator(image)

    def seed_maps(self, image: Tensor) -> Tensor:
        """The class-agnostic map p as it is: (B, 3, H, W) normalized -> (B, 1, H / 4, W / 4) in (0, 1)."""
        return self.coarse.seed_maps(image)

    def training_losses(self, batch: Mapping[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Cross entropy of the masked image, area and weighted entropy of the map, for `train_network`.

        Args:
            batch: ``image`` (B, 3, 224, 224) normalized, ``tags`` (B, C) multi-hot.
            step: not used.

        Returns:
            ``loss``, and without gradient ``classification``, ``area``, ``entropy`` (unweighted) and the
            map's mean ``mean_map``; all ().
        """
        image = batch["image"]
        feature, attention, _ = self.coarse.generator(self.coarse.extract(image))
        draws = draw_erasing(attention.detach(), random=self._random)
        erased = attentive_erasing(attention, draws, drop_probability=self.choices.drop_probability)
        logit = self.evaluator(masked_image(image, erased))
        classification = multi_label_classification_loss(logit, batch["tags"])
        area = area_loss(attention, logit, feature, top_k=self.choices.area_top_k)
        entropy = weighted_entropy_loss(attention)
        return {
            "loss": classification + self.area_weight * area + self.entropy_weight * entropy,
            "classification": classification.detach(),
            "area": area.detach(),
            "entropy": entropy.detach(),
            "mean_map": attention.detach().mean(),
        }
