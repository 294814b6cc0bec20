"""ORNet as a seed method: three trainings in turn, one class-agnostic map."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from seeds.contract import MapKind, Plan, Training
from seeds.localization_settings import SQUARE_INFERENCE
from seeds.methods.ornet import (
    CHOICES,
    OPTIMIZATION,
    CoarseModel,
    Evaluator,
    FineStage,
    SmallEvaluator,
    choices_of,
)
from seeds.methods.trained import TrainedMethod
from wsss.backbones import OUTPUT_STRIDES
from wsss.datasets import DataSet
from wsss.errors import ConfigError
from wsss.optim import OPTIMIZERS
from wsss.ranges import COUNT, NOT_NEGATIVE, OneOf, Range
from wsss.training import Schedule

_COARSE, _EVALUATOR, _FINE = (OPTIMIZATION[name] for name in ("coarse", "evaluator", "fine"))


class ORNetMethod(TrainedMethod):
    """`CoarseModel`, `Evaluator` and `FineStage`, trained in turn as the authors do on CUB.

    The table ``train`` is that of "coarse"; ``train.evaluator`` and ``train.fine`` say what differs in the
    other two.
    """

    name = "ornet"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "output_stride": 32,  # of the coarse model
            "settings": "code",  # or "paper": two systems, seeds/methods/ornet.py; the paper's has vgg16
            "generator_channels": (128, 256, 512),  # of its three lower grids
            "area_weight": 0.02,
            "entropy_weight": 1.5,
            # "vgg16" is torchvision's with its linear layers (also for `pretrained`); any other network of
            # ours has one linear layer.
            "evaluator": {"backbone": "vgg16", "pretrained": "imagenet"},
        },
        "train": {
            "resize": 256,
            "crop": 224,
            "epochs": _COARSE.epochs,
            "batch_size": _COARSE.batch_size,
            "optimizer": _COARSE.optimizer,
            "learning_rate": _COARSE.learning_rate,  # stays; in the other two it falls as a cosine
            "momentum": 0.0,
            "weight_decay": 0.0,
            "evaluator": {
                "epochs": _EVALUATOR.epochs,
                "optimizer": _EVALUATOR.optimizer,
                "learning_rate": _EVALUATOR.learning_rate,
                "momentum": _EVALUATOR.momentum,
                "weight_decay": _EVALUATOR.weight_decay,
            },
            "fine": {
                "epochs": _FINE.epochs,
                "optimizer": _FINE.optimizer,
                "learning_rate": _FINE.learning_rate,
            },
        },
        "infer": {**SQUARE_INFERENCE},
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        "model.output_stride": OneOf(OUTPUT_STRIDES),
        "model.settings": OneOf(tuple(CHOICES)),
        "model.generator_channels": COUNT,
        "model.area_weight": NOT_NEGATIVE,
        "model.entropy_weight": NOT_NEGATIVE,
        "train.evaluator.epochs": COUNT,
        "train.evaluator.optimizer": OneOf(OPTIMIZERS),
        "train.evaluator.learning_rate": NOT_NEGATIVE,
        "train.evaluator.momentum": Range(0, 1, below=True),
        "train.evaluator.weight_decay": NOT_NEGATIVE,
        "train.fine.epochs": COUNT,
        "train.fine.optimizer": OneOf(OPTIMIZERS),
        "train.fine.learning_rate": NOT_NEGATIVE,
        "infer.resize": NOT_NEGATIVE,
    }

    def check(self, config: Mapping[str, Any]) -> None:
        """The generator has three lower grids."""
        given = config["model"]["generator_channels"]
        if len(given) != 3:
            raise ConfigError(f"expected three model.generator_channels, got {tuple(given)}: correct them")

    def check_inputs(self, config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str]) -> None:
        """Weights of the coarse model and of the evaluator fit."""
        super().check_inputs(config, dataset, image_ids)
        evaluator = config["model"]["evaluator"]
        if evaluator["pretrained"] != "imagenet":  # its training comes second: late for a wrong file
            _evaluator(evaluator, len(dataset.classes))

    def weights(self, config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Those of the coarse model and of the evaluator."""
        evaluator = config["model"]["evaluator"]
        return *super().weights(config), (evaluator["backbone"], evaluator["pretrained"])

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """One map for all classes."""
        return "agnostic"

    def trainings(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Each of them is loaded where it is finished."""
        return tuple(OPTIMIZATION)

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """The network of one training, with optimizer and rates of its own."""
        model = plan.config["model"]
        network: nn.Module
        if training == "coarse":
            network = CoarseModel(
                len(plan.classes),
                backbone=model["backbone"],
                pretrained=model["pretrained"],
                output_stride=model["output_stride"],
                channels=tuple(model["generator_channels"]),
            )
        elif training == "evaluator":
            network = _evaluator(model["evaluator"], len(plan.classes))
        else:
            coarse, evaluator = trained["coarse"], trained["evaluator"]
            assert isinstance(coarse, CoarseModel)
            assert isinstance(evaluator, Evaluator | SmallEvaluator)
            network = FineStage(
                coarse,
                evaluator,
                choices=choices_of(model["settings"]),
                area_weight=model["area_weight"],
                entropy_weight=model["entropy_weight"],
            )
        learning = [each for each in network.parameters() if each.requires_grad]
        return Training(network, _schedule(training, plan), [{"params": learning}])


def _schedule(training: str, plan: Plan) -> Schedule:
    own = plan.config["train"].get(training, {})
    settings = {**plan.config["train"], **own}
    schedule = Schedule.from_settings(settings)
    return dataclasses.replace(schedule, rates=OPTIMIZATION[training].rates(schedule.epochs))


def _evaluator(settings: Mapping[str, Any], num_classes: int) -> Evaluator | SmallEvaluator:
    name, pretrained = settings["backbone"], settings["pretrained"]
    if name == "vgg16":
        return Evaluator(num_classes, pretrained=pretrained)
    return SmallEvaluator(num_classes, backbone=name, pretrained=pretrained)


METHOD = ORNetMethod()
