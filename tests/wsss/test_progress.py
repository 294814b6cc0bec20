import logging
import time

import pytest

from wsss import progress
from wsss.log import logger
from wsss.progress import track


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


@pytest.mark.parametrize("terminal", [True, False])
def test_items_and_order_are_kept(monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert list(track([3, 1, 2], "order")) == [3, 1, 2]


def test_terminal_gets_a_bar_and_no_lines(monkeypatch, caplog, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert list(track(range(3), "seeds")) == [0, 1, 2]
    assert "seeds: 100%" in capsys.readouterr().err
    assert caplog.messages == []


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


@pytest.mark.parametrize("slow_start", [0.0, 20.0, 28.0])
def test_time_left_is_within_a_fifth_after_the_first_minute(clock, caplog, slow_start):
    """One image a second, the first of which waits for workers and files to be there."""
    guesses = {}
    for number, _ in enumerate(track(range(300), "seeds"), start=1):
        clock.now += 1.0 + (slow_start if number == 1 else 0.0)
        if caplog.messages:
            guesses[clock.now - 100.0] = (caplog.messages[-1], 300 - number)
    late = {when: one for when, one in guesses.items() if when >= 60 and "left" in one[0]}
    assert late
    said = {}
    for when, (message, left) in late.items():
        if message not in said.values():
            said[when] = message
            hours, minutes, seconds = message.rpartition(", ")[2].split()[0].split(":")
            guess = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
            assert guess == pytest.approx(left, rel=0.2, abs=2)


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
