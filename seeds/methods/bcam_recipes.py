"""What the B-CAM runs of the paper and of the authors' code were trained with, as data."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal


@dataclasses.dataclass(frozen=True)
class TermWeights:
    """Weights of B-CAM's four loss terms: the first name is the classifier, the second what is pooled.

    Attributes:
        object_object: lambda 1; ``ff`` in the authors' code.
        background_object: lambda 2; ``fb``.
        background_background: lambda 3; ``bf``.
        object_background: lambda 4; ``bb``.
    """

    object_object: float = 1.0
    background_object: float = 1.0
    background_background: float = 1.0
    object_background: float = 1.0


EQUAL_WEIGHTS = TermWeights()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One published training. None: not published, as far as we know.

    Attributes:
        source: "code" or "paper".
        layout: of `seeds.methods.bcam.BCAMNet`.
        heads: M, attention maps of each aggregator.
        weights: of the four terms.
        epochs: passes over the training images; the last checkpoint is taken.
        schedule: "step" divides the rate by 10 every ``decay_every`` epochs, "poly" takes it down to 0.
        decay_every: epochs.
        backbone: the authors' name of the network.
        target: the features that are pooled.
        batch_size: images per step.
        learning_rate: initial, of the pretrained layers.
        new_layer_factor: on the learning rate of layers without pretrained weights and, with the layout
            "cub", of ResNet's last level.
        bias_factor: on the learning rate of biases.
        weight_decay: of SGD.
        momentum: of SGD.
        nesterov: Nesterov's momentum.
        seed: of the run.
    """

    source: Literal["code", "paper"]
    layout: Literal["voc", "cub"]
    heads: int
    weights: TermWeights
    epochs: int
    schedule: Literal["step", "poly"] | None = None
    decay_every: int | None = None
    backbone: str | None = None
    target: str | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    new_layer_factor: float | None = None
    bias_factor: float | None = None
    weight_decay: float | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    seed: int | None = None

    def rate_factor(self, epoch: float) -> float:
        """Share of the initial learning rate that is left.

        Args:
            epoch: epochs done, with fractions for the steps within one; in [0, epochs].

        Returns:
            Share in [0, 1]. With steps, the authors ask their schedule for the *next* epoch, so that each
            division takes place one epoch early.

        Raises:
            ValueError: ``epoch`` is out of range, or no schedule was published.
        """
        if not 0 <= epoch <= self.epochs:
            raise ValueError(f"expected an epoch in [0, {self.epochs}], got {epoch}")
        if self.schedule == "poly":
            return float((1 - epoch / self.epochs) ** 0.9)
        if self.schedule is None or self.decay_every is None:
            raise ValueError("expected a recipe with a schedule, got one without: none was published")
        return float(0.1 ** ((int(epoch) + 1) // self.decay_every))


_CUB = Recipe(
    source="code",
    layout="cub",
    heads=100,
    weights=EQUAL_WEIGHTS,
    epochs=20,
    schedule="step",
    decay_every=15,
    backbone="resnet50",
    target="layer4",
    batch_size=32,
    learning_rate=1.7e-4,
    new_layer_factor=10.0,
    bias_factor=1.0,
    weight_decay=1e-4,
    momentum=0.9,
    nesterov=True,
    seed=4,
)

# Facts of the authors' code (zh460045050/BCAM, commit afed766) and of the paper (Zhu et al., TPAMI 2023).
# Traps: VGG16 and Inception v3 have heads of their own, which `BCAMNet` does not build; on VOC, paper and
# code are two systems; IRN's optimiser, which the VOC code uses, passes the weight decay as momentum; ILSVRC
# was trained on soft labels over the five best predictions, which is in the paper only. The paper's lambda 1
# to 4 are taken in the order of its sum.
PUBLISHED: Mapping[str, Recipe] = MappingProxyType(
    {
        "cub_resnet50": _CUB,
        "cub_vgg16": dataclasses.replace(
            _CUB,
            backbone="vgg16",
            target="conv6",
            weights=TermWeights(1.0, 0.4, 0.4, 0.2),
            learning_rate=1.7e-5,
            weight_decay=5e-4,
            seed=10,
        ),
        "cub_inception_v3": dataclasses.replace(
            _CUB,
            backbone="inception_v3",
            target="SPG_A3_1b",
            weights=TermWeights(1.0, 0.4, 0.4, 0.2),
            epochs=50,
            learning_rate=1.7e-3,
            bias_factor=2.0,
            weight_decay=5e-4,
            seed=25,
        ),
        "openimages": Recipe(
            source="paper",
            layout="cub",
            heads=80,
            weights=TermWeights(1.0, 0.5, 1.0, 1.0),
            epochs=10,
            schedule="step",
            decay_every=3,
        ),
        "ilsvrc": Recipe(
            source="paper",
            layout="cub",
            heads=100,
            weights=TermWeights(1.0, 0.2, 0.2, 0.4),
            epochs=3,
            learning_rate=1e-5,
        ),
        "voc_code": Recipe(
            source="code",
            layout="voc",
            heads=20,
            weights=EQUAL_WEIGHTS,
            epochs=5,
            schedule="poly",
            backbone="resnet50",
            target="layer4",
            batch_size=16,
            learning_rate=0.01,
            new_layer_factor=10.0,
            bias_factor=1.0,
            weight_decay=1e-4,
            momentum=1e-4,
            nesterov=False,
        ),
        "voc_paper": Recipe(
            source="paper",
            layout="voc",
            heads=20,
            weights=EQUAL_WEIGHTS,
            epochs=8,
            schedule="poly",
            backbone="resnet38",
            batch_size=8,
            learning_rate=0.01,
            weight_decay=1e-5,
        ),
    }
)
