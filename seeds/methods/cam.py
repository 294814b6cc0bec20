"""Plain class activation maps: the baseline that every other seed is measured against."""

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from torch import nn

from seeds.cam import CAMNet
from seeds.contract import Plan, Training, parameter_groups
from seeds.infer import Geometry
from seeds.methods.trained import TrainedMethod
from wsss.backbones import LEVELS, OUTPUT_STRIDES, BatchNormMode
from wsss.ranges import NOT_NEGATIVE, OneOf, Range


class CAMMethod(TrainedMethod):
    """`CAMNet`, trained as IRN trains it."""

    name = "cam"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "weights": None,  # file of a trained network, ours or IRN's: nothing is trained
            "frozen_levels": 3,  # no gradient into the stem and the first two layers
            "output_stride": 16,  # of the class map; some backbones have 32 alone
            "batch_norm": "train",  # or "fixed_statistics", or "fixed": weights and biases stay too
        },
        "train": {
            "classifier_factor": 10.0,  # on the learning rate
            "biases": False,  # train biases (batch norm's)
        },
        "infer": {
            # How maps lie on the image: "stretch", or "irn": cut as those are that published figures are of
            "geometry": "stretch",
            "image_specific": False,  # search a threshold for each map without ground truth
        },
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        "infer.geometry": OneOf(get_args(Geometry)),
        "model.frozen_levels": Range(0, LEVELS),
        "model.batch_norm": OneOf(get_args(BatchNormMode)),
        "model.output_stride": OneOf(OUTPUT_STRIDES),
        "train.classifier_factor": NOT_NEGATIVE,
    }

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """One training of the classifier; its map is the seed."""
        model, settings = plan.config["model"], plan.config["train"]
        network = CAMNet(
            model["backbone"],
            len(plan.classes),
            model["pretrained"],
            frozen_levels=model["frozen_levels"],
            batch_norm=model["batch_norm"],
            output_stride=model["output_stride"],
        )
        groups = parameter_groups(
            network,
            learning_rate=settings["learning_rate"],
            heads=[([network.classifier.weight], settings["classifier_factor"])],
            biases=settings["biases"],
        )
        return Training(network, plan.schedule, groups)


CAM = CAMMethod()
