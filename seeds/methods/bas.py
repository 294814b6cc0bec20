"""Multi-label Background Activation Suppression (Zhai et al., IJCV 2023, section 4)."""

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from torch import nn

from seeds.contract import MapKind, Plan, Training, parameter_groups
from seeds.fuse import How
from seeds.infer import Geometry
from seeds.methods.trained import TrainedMethod
from seeds.model import BASNet, LossWeights, check_cut
from seeds.train import check_warmup
from seeds.watch import WatchMaps
from wsss.backbones import LEVELS, OUTPUT_STRIDES, BatchNormMode
from wsss.errors import ConfigError
from wsss.ranges import NOT_NEGATIVE, OneOf, Range


class BASMethod(TrainedMethod):
    """`BASNet`: a generator of one map per class, and one of a class-agnostic map where it is asked for."""

    name = "bas"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "weights": None,  # file of a trained network, ours or the authors': nothing is trained
            "cut": 3,  # the generator sits after this level (ResNet: layer3)
            "two_levels": False,  # ours: a second generator after the last level; maps are the mean of both
            "output_stride": 16,  # of the class map; some backbones have 32 alone
            "foreground": False,  # train a class-agnostic foreground map beside the class maps
            "warmup_epochs": 0,  # classification alone first; needed from random weights
            "normalize_features": False,  # mean 0, deviation 1 before the generators
            # alpha, beta = alpha + lambda, lambda
            "loss_weights": {"guidance": 0.2, "area": 1.2, "background": 1.0},
            "batch_norm": "train",  # or "fixed_statistics", or "fixed": weights and biases stay too
        },
        "train": {
            "classifier_factor": 10.0,  # on the learning rate, as the next one
            "generator_factor": 10.0,
            "biases": False,  # train biases (batch norm's)
            "on_dead_maps": "stop",  # or "warn": when class channels stay empty or full for two epochs
        },
        "infer": {
            "fuse": None,  # "average" or "replace": lower the class maps by the foreground map
            "own_cam": True,  # score the classifier's CAM beside the seeds, where ground truth is
            "add_own_cam": False,  # ours: add that CAM to the maps, each divided by its maximum
            # How maps lie on the image: "stretch", or "irn": cut as those are that published figures are of
            "geometry": "stretch",
            "image_specific": False,  # search a threshold for each map without ground truth
        },
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        "model.cut": Range(1, LEVELS - 1),
        "model.batch_norm": OneOf(get_args(BatchNormMode)),
        "model.output_stride": OneOf(OUTPUT_STRIDES),
        "model.warmup_epochs": NOT_NEGATIVE,
        "model.loss_weights.guidance": NOT_NEGATIVE,
        "model.loss_weights.area": NOT_NEGATIVE,
        "model.loss_weights.background": NOT_NEGATIVE,
        "train.classifier_factor": NOT_NEGATIVE,
        "train.generator_factor": NOT_NEGATIVE,
        "train.on_dead_maps": OneOf(("stop", "warn")),
        "infer.geometry": OneOf(get_args(Geometry)),
        "infer.fuse": OneOf((None, *get_args(How))),
    }

    def check(self, config: Mapping[str, Any]) -> None:
        """Class maps are trained after the warm-up, and fused with a foreground map only where one is."""
        check_warmup(config)
        check_cut(config["model"]["cut"], two_levels=config["model"]["two_levels"])
        fuse = config["infer"]["fuse"]
        if fuse is not None and not config["model"]["foreground"]:
            raise ConfigError(
                f"expected model.foreground=True for infer.fuse={fuse!r}, got False: set it, or "
                "infer.fuse=None"
            )

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """Class maps, and the foreground map where it is trained."""
        return "both" if config["model"]["foreground"] else "class"

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """One training of classifier and generators, watched for maps that die."""
        model, settings = plan.config["model"], plan.config["train"]
        network = BASNet(
            model["backbone"],
            len(plan.classes),
            foreground=model["foreground"],
            pretrained=model["pretrained"],
            cut=model["cut"],
            two_levels=model["two_levels"],
            warmup_steps=model["warmup_epochs"] * plan.steps_per_epoch,
            weights=LossWeights(**model["loss_weights"]),
            normalize_features=model["normalize_features"],
            batch_norm=model["batch_norm"],
            output_stride=model["output_stride"],
        )
        generators = [head.weight for head in network.heads()[1:]]
        groups = parameter_groups(
            network,
            learning_rate=settings["learning_rate"],
            heads=[
                ([network.classifier.weight], settings["classifier_factor"]),
                (generators, settings["generator_factor"]),
            ],
            biases=settings["biases"],
        )
        watch = WatchMaps(network, plan.classes, on_dead=settings["on_dead_maps"])
        return Training(network, plan.schedule, groups, hooks=[watch], figures=watch.figures)


BAS = BASMethod()
