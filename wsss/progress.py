"""Progress of long loops: a bar on a terminal, a line now and then in the log elsewhere."""

import datetime
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

from wsss.distributed import is_main
from wsss.log import logger

_Item = TypeVar("_Item")
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_OF_A_STALL = 120.0


def track(
    iterable: Iterable[_Item], description: str, *, total: int | None = None, unit: str = "image"
) -> Iterator[_Item]:
    """Hand the items on and show how far the loop is.

    On a terminal it is a bar; elsewhere a line through the logger every ten seconds and one at the end. Of
    several processes only the first one shows anything.

    Args:
        iterable: what to loop over.
        description: name of the loop, as shown.
        total: number of items where ``iterable`` has no length; without it no time left is shown.
        unit: what one item is, in the singular.

    Returns:
        An iterator over the same items in the same order.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if not is_main():
        return iter(iterable)
    if sys.stderr.isatty():
        bar = tqdm(iterable, desc=description, total=total, unit=unit, dynamic_ncols=True, file=sys.stderr)
        return _watched(bar, description, unit=unit)
    return _watched(_log_lines(iterable, description, total=total, unit=unit), description, unit=unit)


def _watched(iterable: Iterable[_Item], description: str, *, unit: str) -> Iterator[_Item]:
    """Items of a loop, with a warning where none is done for a long time, such as on a stalled disk."""
    done = 0
    moved = threading.Event()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if not moved.wait(_SECONDS_OF_A_STALL) and not ended.is_set():
                logger.warning(
                    "%s: nothing is done for %.0f s after %d %ss: a disk or network file system may stall, "
                    "or the machine is busy elsewhere; it goes on when it can",
                    description,
                    _SECONDS_OF_A_STALL,
                    done,
                    unit,
                )
                moved.wait()
            moved.clear()

    threading.Thread(target=watch, name=f"watch {description}", daemon=True).start()
    try:
        for done, item in enumerate(iterable, start=1):  # noqa: B007 (the thread reads it)
            moved.set()
            yield item
    finally:
        ended.set()
        moved.set()


def _log_lines(
    iterable: Iterable[_Item], description: str, *, total: int | None, unit: str
) -> Iterator[_Item]:
    """Items of a loop, with a line in the log every ten seconds and one when all are done.

    The rate is that of the second half of the time so far: what is slow at the start, such as workers that
    start and files that are read for the first time, says nothing about the time left.
    """
    start = last = time.monotonic()
    lines = [(start, 0)]
    of_total = "" if total is None else f"/{total}"
    done = 0
    for done, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            half = start + (now - start) / 2
            since, before = next(line for line in reversed(lines) if line[0] <= half)
            rate = (done - before) / (now - since)
            lines.append((now, done))
            left = "" if total is None else f", {_clock((total - done) / rate)} left"
            logger.info("%s: %d%s, %.3g %s/s%s", description, done, of_total, rate, unit, left)
    logger.info("%s: %d%s, done in %s", description, done, of_total, _clock(time.monotonic() - start))


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    return str(datetime.timedelta(seconds=max(0, round(seconds))))
