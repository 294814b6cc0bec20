"""Settings that methods for localisation share: BAS on CUB, images as squares, rates that fall in steps."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from seeds.localization_recipes import CROP, LEARNING_RATE, MOMENTUM, RESIZE, WEIGHT_DECAY
from wsss.errors import ConfigError
from wsss.ranges import NOT_NEGATIVE, OneOf, Range
from wsss.training import Schedule

# Defaults of the table ``train``: BAS on CUB.
CUB_TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "resize": RESIZE,
        "crop": CROP,
        "epochs": 120,
        "batch_size": 32,
        "learning_rate": LEARNING_RATE,
        "momentum": MOMENTUM,
        "weight_decay": WEIGHT_DECAY,
        "nesterov": True,
        "decay_epochs": 80,  # a tenth of the rate after as many epochs, again and again; 0: poly
    }
)
# Defaults of the table ``infer``: one pass over the image as a square, as in the training.
SQUARE_INFERENCE: Mapping[str, Any] = MappingProxyType(
    {
        "resize": CROP,  # side of the square an image is brought to, for scale 1; 0: its own size
        "scales": (1.0,),
        "flip": False,
        "threshold": 0.5,
        "logits": True,
        "ten_crops": False,  # logits from ten crops of the image, as published Top-1 and Top-5 Loc
    }
)
STEP_RANGES: Mapping[str, Range | OneOf] = MappingProxyType({"train.decay_epochs": NOT_NEGATIVE})


def in_steps(schedule: Schedule, every: int, *, early: int = 0) -> Schedule:
    """The schedule with a tenth of the rate after every few epochs.

    Args:
        schedule: its ``epochs`` are read.
        every: epochs from one fall to the next; 0: the schedule itself, whose rate falls with each step.
        early: epochs by which each fall comes before its multiple of ``every``.

    >>> plain = Schedule(epochs=9, batch_size=1, learning_rate=1, momentum=0, weight_decay=0)
    >>> in_steps(plain, 3).rates["milestones"], in_steps(plain, 3, early=1).rates["milestones"]
    ([3, 6], [2, 5, 8])
    """
    if not every:
        return schedule
    milestones = [one - early for one in range(every, schedule.epochs + early, every)]
    return dataclasses.replace(
        schedule, rates={"type": "MultiStepLR", "milestones": milestones, "gamma": 0.1}
    )


def check_nesterov(train: Mapping[str, Any]) -> None:
    """Refuse Nesterov's momentum where there is none.

    Raises:
        ConfigError: ``nesterov`` is on with a ``momentum`` of 0.
    """
    if train["nesterov"] and train["optimizer"] == "sgd" and not train["momentum"]:
        raise ConfigError(
            "expected train.momentum above 0 with train.nesterov=True, got 0: correct one of them"
        )
