import io
import logging
import re
import sys
import time

import numpy as np
import pytest

from wsss import progress
from wsss.log import logger
from wsss.progress import Pace, track


class Clock:
    """Stands in for ``time``: moves only when told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch, caplog):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    caplog.set_level(logging.INFO, logger=logger.name)


def test_lines_by_hand(clock, caplog):
    for _ in track(["a", "b", "c", "d", "e"], "seeds"):
        clock.now += 6.0
    # Items end after 6, 12, 18, 24 and 30 s: a line at 12 (ten since the start), one at 24 (ten since that).
    assert caplog.messages == [
        "seeds: 2/5, 0.167 image/s, 0:00:18 left",
        "seeds: 4/5, 0.167 image/s, 0:00:06 left",
        "seeds: 5/5, done in 0:00:30",
    ]


def test_lines_without_a_length(clock, caplog):
    for _ in track(iter(range(2)), "walk", unit="step"):
        clock.now += 20.0
    assert caplog.messages == [
        "walk: 1, 0.05 step/s",
        "walk: 2, 0.05 step/s",
        "walk: 2, done in 0:00:40",
    ]


def test_total_given_for_an_iterator(clock, caplog):
    for _ in track(iter(range(2)), "walk", total=2):
        clock.now += 10.0
    assert caplog.messages[0] == "walk: 1/2, 0.1 image/s, 0:00:10 left"


class Terminal(io.StringIO):
    """Stands in for a terminal of 80 columns."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make stderr a terminal from the call on, for pytest sets it before each test."""

    def begin(term="xterm"):
        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("COLUMNS", "80")
        return screen

    return begin


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_items_and_order_are_kept(terminal, term):
    terminal(term)
    assert list(track([3, 1, 2], "order")) == [3, 1, 2]


def test_terminal_gets_a_line_and_no_log(terminal, caplog):
    screen = terminal()
    for _ in track(range(3), "seeds"):
        assert progress.is_live()
    assert not progress.is_live()
    plain = re.sub(r"\x1b\[[^a-zA-Z]*.", "", screen.getvalue()).splitlines()
    assert re.search(r"seeds +━+ +3/3 +\S+ image/s +in 0:00:00$", plain[-1])
    assert len(plain[-1].rpartition("\r")[2]) <= 80
    assert caplog.messages == []


def test_a_terminal_that_cannot_draw_gets_lines(terminal, caplog):
    screen = terminal("dumb")
    assert list(track(range(3), "seeds")) == [0, 1, 2]
    assert caplog.messages == ["seeds: 3/3, done in 0:00:00"]
    assert screen.getvalue() == ""


def test_a_loop_in_a_loop_gets_lines(terminal, caplog):
    terminal()
    for _ in track(range(2), "outer"):
        assert list(track(range(3), "inner")) == [0, 1, 2]
    assert caplog.messages == ["inner: 3/3, done in 0:00:00"] * 2


def test_a_loop_that_is_left_gives_the_terminal_back(terminal):
    screen = terminal()
    loop = track(range(3), "seeds")
    next(loop)
    assert progress.is_live()
    loop.close()
    assert not progress.is_live()
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is shown
    assert sys.stderr is screen


def test_only_the_first_process_shows_progress(monkeypatch, caplog):
    monkeypatch.setattr(progress, "is_main", lambda: False)
    assert list(track(range(3), "seeds")) == [0, 1, 2]
    assert caplog.messages == []


def test_empty_loop(clock, caplog):
    assert list(track([], "seeds")) == []
    assert caplog.messages == ["seeds: 0/0, done in 0:00:00"]


def test_an_error_in_the_loop_leaves_no_last_line(clock, caplog):
    def broken():
        yield 1
        raise ValueError("image 2")

    with pytest.raises(ValueError, match="image 2"):
        list(track(broken(), "seeds"))
    assert caplog.messages == []


def _noise(count):
    return np.random.default_rng(0).lognormal(0.0, 0.3, count)


# Seconds of each step of a training.
STEPS = {
    "even": np.full(300, 1.0),
    "workers-start": np.r_[28.0, np.full(299, 1.0)],
    "compiled": np.r_[90.0, np.full(299, 1.0)],
    "full-queue": np.r_[20.0, np.full(16, 0.05), np.full(280, 1.0)],
    "noise": _noise(300),
    "noise-fast": _noise(6000) / 20,
    "bursts": np.tile([4.0, 0.0, 0.0, 0.0], 75),
    "checkpoints": np.where(np.arange(1, 601) % 40, 1.0, 6.0),
    "slow": np.full(40, 9.0),
    "cheap-warm-up": np.r_[np.full(20, 0.5), np.full(300, 1.0)],
}


@pytest.mark.parametrize("name", STEPS)
def test_time_left_is_within_a_fifth_after_the_first_minute(clock, name):
    steps = STEPS[name]
    pace = Pace()
    # A compiled step says nothing before it is done: its minute begins there.
    heard = 60.0 + (steps[0] if steps[0] > 30 else 0.0)
    wrong = {}
    for done, seconds in enumerate(steps, start=1):
        clock.now += seconds
        pace.move(done)
        truth = steps[done:].sum()
        if clock.now - 100.0 >= heard and pace.left(len(steps)) != pytest.approx(truth, rel=0.2, abs=5):
            wrong[done] = (pace.left(len(steps)), truth)
    assert not wrong
    assert len(pace._samples) <= 202


def test_log_says_the_time_left(clock, caplog):
    for done, _ in enumerate(track(range(100), "seeds"), start=1):
        clock.now += 31.0 if done == 1 else 1.0
    assert caplog.messages[-2] == "seeds: 91/100, 1 image/s, 0:00:09 left"


def test_a_stalled_loader_is_noticed_once(monkeypatch, caplog):
    monkeypatch.setattr(progress, "_SECONDS_OF_A_STALL", 0.05)

    def stalled():
        yield 1
        time.sleep(0.4)
        yield 2

    assert list(track(stalled(), "seeds")) == [1, 2]
    assert [one for one in caplog.messages if "nothing is done" in one] == [
        "seeds: nothing is done for 0 s after 1 images: a disk or network file system may stall, or the "
        "machine is busy elsewhere; it goes on when it can"
    ]
