"""Progress of long loops: a live line on a terminal, a line now and then in the log elsewhere."""

from __future__ import annotations

import abc
import collections
import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

from wsss.distributed import is_main
from wsss.log import logger, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.progress_bar import ProgressBar

_Item = TypeVar("_Item")
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_DRAWINGS = 0.2
_SECONDS_OF_A_STALL = 120.0
_SAMPLES = 200
COLUMNS = 100  # of what is drawn; wider lines are hard to read
IN_TABLE = {"in_table": True}  # ``extra`` of a line in the log that a terminal shows in its table
_state = {"live": False}


class Pace:
    """How fast a loop goes, and the time that it has left.

    The rate is that of the second half of the time since the first item was done: what is slow at the start,
    such as workers that start and a step that is compiled, says nothing about the time left.
    """

    def __init__(self) -> None:
        self.done = 0
        self._start = self._now = time.monotonic()
        self._samples: collections.deque[tuple[float, int]] = collections.deque()
        self._first: tuple[float, int] | None = None

    def move(self, done: int) -> None:
        """Note that ``done`` items are done by now."""
        self._now, self.done = time.monotonic(), done
        if self._first is None:
            self._first = (self._now, done)
            self._samples.append(self._first)
            return
        # Some are enough: a loop may have millions of items.
        if self._now - self._samples[-1][0] >= (self._now - self._first[0]) / _SAMPLES:
            self._samples.append((self._now, done))
        half = (self._first[0] + self._now) / 2
        while len(self._samples) > 1 and self._samples[1][0] <= half:
            self._samples.popleft()

    @property
    def seconds(self) -> float:
        """From the start to the last item that was done."""
        return self._now - self._start

    def rate(self) -> float | None:
        """Items per second; None where nothing tells."""
        since, before = self._samples[0] if self._samples else (self._now, 0)
        if self._now <= since:
            since, before = self._start, 0
        return (self.done - before) / (self._now - since) if self._now > since else None

    def left(self, total: int | None) -> float | None:
        """Seconds until ``total`` items are done; None where nothing tells."""
        rate = self.rate()
        return None if total is None or not rate else (total - self.done) / rate


class Display(abc.ABC):
    """What `track` keeps at the lower end of a terminal: something that rich can draw.

    Attributes:
        pace: how far the loop is.
        ended: whether no item is left.
    """

    def __init__(self) -> None:
        self.pace = Pace()
        self.ended = False

    @abc.abstractmethod
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines as of now."""


def track(
    iterable: Iterable[_Item],
    description: str,
    *,
    total: int | None = None,
    unit: str = "image",
    display: Display | None = None,
) -> Iterator[_Item]:
    """Hand the items on and show how far the loop is.

    On a terminal it is a live line; elsewhere a line through the logger every ten seconds and one at the end.
    Of several processes only the first one shows anything, of loops inside one another the outer one is live.

    Args:
        iterable: what to loop over.
        description: name of the loop, as shown.
        total: number of items where ``iterable`` has no length; without it no time left is shown.
        unit: what one item is, in the singular.
        display: what a terminal shows in place of a line.

    Returns:
        An iterator over the same items in the same order.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if not is_main():
        return iter(iterable)
    if _on_terminal():
        shown = _show(iterable, display or _Line(description, total=total, unit=unit))
    else:
        shown = _log_lines(iterable, description, total=total, unit=unit)
    return _watched(shown, description, unit=unit)


def is_live() -> bool:
    """Whether a loop is being shown at the lower end of the terminal."""
    return _state["live"]


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    return str(datetime.timedelta(seconds=max(0, round(seconds))))


def bar(done: int, total: int | None) -> ProgressBar:
    """A bar that rich draws; it pulses where nobody knows the total."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=total, completed=done, pulse=total is None)


def _on_terminal() -> bool:
    """Whether there is a terminal that can draw lines anew, and none of it is taken."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown") and not is_live()


class _Line(Display):
    """One loop on one line: its name, a bar, the count, the rate and the time left."""

    def __init__(self, description: str, *, total: int | None, unit: str) -> None:
        super().__init__()
        self.description = description
        self.total = total
        self.unit = unit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The line as of now."""
        from rich.table import Table

        pace, total = self.pace, self.total
        rate, left = pace.rate(), pace.left(total)
        count = f"{pace.done}" if total is None else f"{pace.done}/{total}"
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.width = min(options.max_width, COLUMNS)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for _ in range(3):
            table.add_column(no_wrap=True, justify="right")
        table.add_row(
            printable(self.description),
            bar(pace.done, pace.done if self.ended else total),
            count,
            "" if rate is None else f"{rate:.3g} {self.unit}/s",
            f"in {clock(pace.seconds)}" if self.ended else "" if left is None else f"{clock(left)} left",
        )
        yield table


def _show(iterable: Iterable[_Item], display: Display) -> Generator[_Item, None, None]:
    """Items of a loop, with its display at the lower end of the terminal; the log's lines go above it."""
    from rich.console import Console
    from rich.live import Live

    # Drawn by this thread alone: workers that are forked meanwhile would inherit the lock of another one.
    # stdout stays what it is: it may be a file.
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    live = Live(display, console=console, auto_refresh=False, redirect_stdout=False)
    drawn = time.monotonic()
    _state["live"] = True
    try:
        with live:
            for done, item in enumerate(iterable, start=1):
                yield item
                display.pace.move(done)
                if time.monotonic() - drawn >= _SECONDS_BETWEEN_DRAWINGS:
                    live.refresh()
                    drawn = time.monotonic()
            display.ended = True
    finally:
        _state["live"] = False


def _watched(
    iterable: Generator[_Item, None, None], description: str, *, unit: str
) -> Generator[_Item, None, None]:
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
        with contextlib.closing(iterable):
            for done, item in enumerate(iterable, start=1):  # noqa: B007 (the thread reads it)
                moved.set()
                yield item
    finally:
        ended.set()
        moved.set()


def _log_lines(
    iterable: Iterable[_Item], description: str, *, total: int | None, unit: str
) -> Generator[_Item, None, None]:
    """Items of a loop, with a line in the log every ten seconds and one when all are done."""
    pace = Pace()
    last = 0.0
    of_total = "" if total is None else f"/{total}"
    for done, item in enumerate(iterable, start=1):
        yield item
        pace.move(done)
        if pace.seconds - last >= _SECONDS_BETWEEN_LINES:
            last = pace.seconds
            left = pace.left(total)
            logger.info(
                "%s: %d%s, %.3g %s/s%s",
                description,
                done,
                of_total,
                pace.rate(),
                unit,
                "" if left is None else f", {clock(left)} left",
            )
    logger.info("%s: %d%s, done in %s", description, pace.done, of_total, clock(pace.seconds))
