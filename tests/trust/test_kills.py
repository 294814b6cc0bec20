"""Runs that are killed at random moments and called again end with the files of one that nobody touched."""

import os
import random
import signal
import time

import pytest


def kill(process):
    """End a process and its workers at once; False: it was done before."""
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return True


def kill_once(process, lines, seconds):
    """Kill a run some seconds after its n-th line; False: it ended before."""
    for _ in range(lines):
        if not process.stderr.readline():
            _, said = process.communicate(timeout=600)
            assert process.returncode == 0, said
            return False
    time.sleep(seconds)
    return kill(process)


def kill_and_call_again(demo, kills, *, seed):
    """Kill runs at random moments until there were so many kills, and compare whatever was finished."""
    expected, lines = demo.results("whole"), len(demo.whole)
    chance = random.Random(seed)
    done = finished = 0
    while done < kills:
        work = f"killed-{seed}-{finished}"
        while done < kills:
            if not kill_once(demo.start(work), chance.randint(1, lines), chance.uniform(0, 0.3)):
                break
            done += 1
        demo.run(work)
        assert demo.results(work) == expected, f"after {done} kills"
        finished += 1


def test_a_run_that_is_killed_twice_ends_as_one_that_nobody_touched(demo):
    kill_and_call_again(demo, 2, seed=1)


@pytest.mark.slow
def test_twenty_kills(demo):
    kill_and_call_again(demo, 20, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_within_seconds_and_say_how_to_go_on(demo, signal_number):
    process = demo.start(signal_number.name, stage="seeds")
    while "step 2/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal_number)
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - begin < 20  # seconds of a machine that does much else
    assert "interrupted: the same command goes on where it stopped" in said
    assert "Traceback" not in said
    demo.run(signal_number.name, stage="seeds")
    assert demo.results(signal_number.name, ["seeds"]) == demo.results("whole", ["seeds"])
