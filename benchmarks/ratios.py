"""How a benchmark says its ratios: a line each, which `python benchmarks` gathers into one table."""

import sys
from typing import NoReturn

RATIO = "ratio"
SKIPPED = "skipped"


def print_ratio(what: str, value: float) -> None:
    """Say one ratio.

    Args:
        what: both sides, such as "time, copying / ours".
        value: the ratio.

    >>> print_ratio("time, copying / ours", 1.2)
    ratio: 1.20  time, copying / ours
    """
    print(f"{RATIO}: {value:.2f}  {what}", flush=True)


def skip(reason: str) -> NoReturn:
    """End a benchmark whose data are not there, as no failure."""
    print(f"{SKIPPED}: {reason}", flush=True)
    sys.exit()
