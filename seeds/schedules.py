"""Settings of learning rates that fall in steps, which methods for localisation share."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from wsss.errors import ConfigError
from wsss.ranges import NOT_NEGATIVE, OneOf, Range
from wsss.training import Schedule

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
