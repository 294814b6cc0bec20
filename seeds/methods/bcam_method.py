"""B-CAM as a seed method: maps by three rules, two of which draw the objects' borders themselves."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

from torch import nn

from seeds.contract import MapKind, Plan, Training
from seeds.localization_settings import STEP_RANGES, check_nesterov, in_steps
from seeds.methods.bcam import THRESHOLD_FREE, BCAMNet, Layout, Rule, TermWeights
from seeds.methods.trained import TrainedMethod
from seeds.single_tag import SEVERAL_TAGS, check_single_tags, single_tag_images
from wsss.backbones import LEVELS, BatchNormMode, build_backbone
from wsss.datasets import DataSet
from wsss.errors import ConfigError
from wsss.ranges import COUNT, NOT_NEGATIVE, OneOf, Range

_STRIDES = {"voc": 16, "cub": 8}


class BCAMMethod(TrainedMethod):
    """`BCAMNet`; the defaults are those of the authors' code for VOC."""

    name = "bcam"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "layout": "voc",  # any number of tags; "cub": one tag an image, heads with biases, stride 8
            "heads": 20,  # attention maps of each aggregator; 100 on CUB
            "loss_weights": dataclasses.asdict(TermWeights()),  # the classifier first, then what is pooled
            "frozen_levels": None,  # without gradient, from the stem on; None: 3 with layout "voc", else 0
            "batch_norm": None,  # as in method bas; None: "fixed_statistics" with layout "voc", else "train"
        },
        "train": {
            "epochs": 5,
            "learning_rate": 0.01,
            "poly_length": 1.0,
            "head_factor": 10.0,  # on the learning rate, for new layers; layout "cub": for the last level too
            "nesterov": False,
            "decay_epochs": 0,  # a tenth of the rate before every such epoch, as in the code for CUB; 0: poly
            "several_tags": "stop",  # layout "cub" alone; or "leave_out": learn from images with one tag
        },
        "infer": {
            "rule": "cam",  # or "difference", "gradient", "gradient_difference"
            "resize": 0,  # side of the square an image is brought to, for scale 1; 0: its own size
            "ten_crops": False,  # logits from ten crops of the image, as published Top-1 and Top-5 Loc
            "threshold": 0.15,  # rules with "difference" have none: 0
        },
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        **STEP_RANGES,
        "model.layout": OneOf(get_args(Layout)),
        "model.heads": COUNT,
        **{f"model.loss_weights.{one.name}": NOT_NEGATIVE for one in dataclasses.fields(TermWeights)},
        "model.frozen_levels": OneOf((None, *range(LEVELS + 1))),
        "model.batch_norm": OneOf((None, *get_args(BatchNormMode))),
        "train.head_factor": NOT_NEGATIVE,
        "train.several_tags": OneOf(SEVERAL_TAGS),
        "infer.rule": OneOf(get_args(Rule)),
        "infer.resize": NOT_NEGATIVE,
    }

    def check(self, config: Mapping[str, Any]) -> None:
        """Differences have no threshold, and Nesterov's momentum needs one."""
        check_nesterov(config["train"])
        rule, threshold = config["infer"]["rule"], config["infer"]["threshold"]
        if rule in THRESHOLD_FREE and threshold != 0:
            raise ConfigError(
                f"expected infer.threshold=0 with infer.rule={rule!r}, got {threshold}: the rule draws the "
                "objects' borders itself, set it"
            )

    def check_inputs(self, config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str]) -> None:
        """Weights fit, and with the layout "cub" each image has one tag."""
        model = config["model"]
        given = model["pretrained"]
        build_backbone(
            model["backbone"],
            pretrained=None if given == "imagenet" else given,
            output_stride=_STRIDES[model["layout"]],
        )
        if model["layout"] == "cub":
            check_single_tags(dataset, image_ids, config["train"])

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """One map for each class; signed where the rule is a difference."""
        return "signed" if config["infer"]["rule"] in THRESHOLD_FREE else "class"

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """One training of backbone, aggregators and classifiers."""
        model, train = plan.config["model"], plan.config["train"]
        network = BCAMNet(
            len(plan.classes),
            layout=model["layout"],
            heads=model["heads"],
            backbone=model["backbone"],
            pretrained=model["pretrained"],
            rule=plan.config["infer"]["rule"],
            weights=TermWeights(**model["loss_weights"]),
            frozen_levels=model["frozen_levels"],
            batch_norm=model["batch_norm"],
        )
        one_tag = model["layout"] == "cub"
        return Training(
            network,
            in_steps(plan.schedule, train["decay_epochs"], early=1),
            network.parameter_groups(train["learning_rate"], factor=train["head_factor"]),
            images=(lambda dataset, ids: single_tag_images(dataset, ids, train)) if one_tag else None,
        )


METHOD = BCAMMethod()
