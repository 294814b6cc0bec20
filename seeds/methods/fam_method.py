"""FAM as a seed method: one class-agnostic map."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from torch import nn

from seeds.contract import MapKind, Plan, Training, parameter_groups
from seeds.localization_settings import CUB_TRAINING, SQUARE_INFERENCE, STEP_RANGES, check_nesterov, in_steps
from seeds.methods.fam import FAM, Assumptions, LossWeights, Normalization, PoolFrom
from seeds.methods.trained import TrainedMethod
from wsss.backbones import OUTPUT_STRIDES
from wsss.ranges import COUNT, NOT_NEGATIVE, OneOf, Range


class FAMMethod(TrainedMethod):
    """`FAM`; optimizer and schedule are those of BAS on CUB, because the paper gives none."""

    name = "fam"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "output_stride": 16,  # not in the paper
            # What the paper leaves open or prints otherwise, and its ablations: seeds/methods/fam.py.
            "assumptions": {
                "normalization": "softmax",  # of the keys' scores; "printed": equation 1 as it stands
                "pool_from": "input",  # parts are pooled from the features (printed); or "foreground"
                "memory": True,  # False: three 1x1 convolutions give the map
                "num_keys": 3,
                "num_parts": 5,
                "part_kernel": 3,  # side of the parts' convolution; not in the paper
                "memory_std": None,  # of keys and values at the start; None: 1 / sqrt(their length)
            },
            "loss_weights": {"sparsity": 0.04, "diversity": 0.01},
        },
        "train": {
            **CUB_TRAINING,
            "head_factor": 10.0,  # on the learning rate, for layers that no pretrained weights exist for
        },
        "infer": {**SQUARE_INFERENCE},
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        **STEP_RANGES,
        "model.output_stride": OneOf(OUTPUT_STRIDES),
        "model.assumptions.normalization": OneOf(get_args(Normalization)),
        "model.assumptions.pool_from": OneOf(get_args(PoolFrom)),
        "model.assumptions.num_keys": COUNT,
        "model.assumptions.num_parts": Range(2),
        "model.assumptions.part_kernel": COUNT,
        "model.loss_weights.sparsity": NOT_NEGATIVE,
        "model.loss_weights.diversity": NOT_NEGATIVE,
        "train.head_factor": NOT_NEGATIVE,
        "infer.resize": NOT_NEGATIVE,
    }

    def check(self, config: Mapping[str, Any]) -> None:
        """Kernels are odd, deviations positive, and Nesterov's momentum needs one."""
        _assumptions(config["model"])
        check_nesterov(config["train"])

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """One map for all classes."""
        return "agnostic"

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """One training of memory, parts and classifier; the rate falls in steps."""
        model, train = plan.config["model"], plan.config["train"]
        network = FAM(
            len(plan.classes),
            backbone=model["backbone"],
            pretrained=model["pretrained"],
            assumptions=_assumptions(model),
            weights=LossWeights(**model["loss_weights"]),
        )
        new = [parameter for head in network.heads() for parameter in head.parameters()]
        groups = parameter_groups(
            network, learning_rate=train["learning_rate"], heads=[(new, train["head_factor"])]
        )
        return Training(network, in_steps(plan.schedule, train["decay_epochs"]), groups)


def _assumptions(model: Mapping[str, Any]) -> Assumptions:
    names = {field.name for field in dataclasses.fields(Assumptions)} - {"output_stride"}
    given = {name: model["assumptions"][name] for name in names}
    return Assumptions(**given, output_stride=model["output_stride"])


METHOD = FAMMethod()
