"""Ranges of settings, checked before anything is made."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wsss.config import flatten
from wsss.errors import ConfigError
from wsss.thresholds import TAGS


@dataclasses.dataclass(frozen=True)
class Range:
    """Values that a setting may have; for a list, each of its entries.

    Attributes:
        low: smallest value, or the bound above which values lie where ``above`` is set.
        high: largest value; None: any.
        above: ``low`` itself is not allowed.
        below: ``high`` itself is not allowed.
        tags: so is the word "tags": chosen without ground truth.

    >>> Range(0, 1).holds(0.5), Range(0, above=True).holds(0)
    (True, False)
    """

    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    tags: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a number lies inside, or the word is allowed."""
        if value == TAGS:
            return self.tags
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return False
        over = self.low is None or value > self.low or (value == self.low and not self.above)
        return over and (self.high is None or value < self.high or (value == self.high and not self.below))

    def __str__(self) -> str:
        low = [] if self.low is None else [f"{'above' if self.above else 'at least'} {self.low:g}"]
        high = [] if self.high is None else [f"{'below' if self.below else 'at most'} {self.high:g}"]
        return " and ".join([*low, *high]) + (f" or {TAGS!r}" if self.tags else "")


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Values that a setting may have, by name."""

    choices: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.choices

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.choices))}"


class Precision(OneOf):
    """Number formats of a forward pass; fp16 only where there is a GPU."""

    def holds(self, value: Any) -> bool:
        """Whether this machine can compute in it."""
        if value != "fp16":
            return super().holds(value)
        import torch

        return super().holds(value) and torch.cuda.is_available()

    def __str__(self) -> str:
        return f"{super().__str__()} (fp16 needs a GPU, bf16 does not)"


POSITIVE = Range(0, above=True)
NOT_NEGATIVE = Range(0)
COUNT = Range(1)
SHARE = Range(0, 1)
SHARE_OR_TAGS = Range(0, 1, tags=True)
PRECISION = Precision((None, "bf16", "fp16"))


def check_ranges(config: Mapping[str, Any], ranges: Mapping[str, Range | OneOf]) -> None:
    """Refuse settings that are out of range.

    Args:
        config: a resolved config.
        ranges: dotted name -> what it may be. Settings that the config does not have or that are None are
            passed over, except by `OneOf`.

    Raises:
        ConfigError: the first setting that is out of range, by its name.
    """
    settings = dict(flatten(config))
    free = [name for name, value in settings.items() if value == TAGS and not name.startswith("dataset.")]
    for name in free:
        if name not in ranges:
            raise ConfigError(f"expected a number for {name}, got {TAGS!r}: correct '{name}'")
    for name, allowed in ranges.items():
        if name not in settings:
            continue
        value = settings[name]
        values: Sequence[Any] = [value]
        if isinstance(allowed, Range):
            values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        if not all(allowed.holds(one) for one in values):
            raise ConfigError(f"expected {name} {allowed}, got {value!r}: correct '{name}'")
