"""Runs that are killed at random moments and called again end with the files of one that nobody touched."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from wsss.artifacts import read_artifact

# Twelve images, one size, a few steps: what matters is that each kind of file and checkpoint is written.
SETTINGS = (
    "dataset.train=12", "dataset.val=4", "dataset.side=96",
    "seeds.train.resize=64", "seeds.train.crop=56", "seeds.train.batch_size=4", "seeds.train.epochs=3",
    "model.warmup_epochs=1", "infer.scales=(1.0,)",
    "refine.train.crop=64", "refine.train.batch_size=4", "refine.train.epochs=3", "refine.infer.steps=16",
    "segment.train_cfg.max_iters=6", "segment.train_dataloader.batch_size=4",
    "segment.default_hooks.checkpoint.interval=2",
)  # fmt: skip
KINDS = ("seeds", "masks", "segment")
# Beside these, files hold times and paths.
RESULTS = (".npz", ".png", ".pth")


def start(root, work, stage="all"):
    command = [sys.executable, "-m", "wsss.cli", "run", stage, "demo", "--no-baselines"]
    command += ["--data-root", root / "data", "--work-dir", work, "--cfg-options"]
    others = () if stage == "all" else ("refine.", "segment.")
    command += [one for one in SETTINGS if not one.startswith(others)]
    # One thread: sums are rounded in one order. A group of its own, so that workers die with it.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=root, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(process):
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said.splitlines()


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
            return finish(process) is None
    time.sleep(seconds)
    return kill(process)


def results(work, kinds=KINDS):
    """Hashes of what was published, by name, where the same settings give the same bytes."""
    return {
        f"{kind}/{name}": digest
        for kind in kinds
        for name, digest in read_artifact(work / kind).manifest["files"].items()
        if name.endswith(RESULTS)
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder, results and number of lines of a run that nobody touched."""
    root = tmp_path_factory.mktemp("kills")
    lines = len(finish(start(root, root / "whole")))
    return root, results(root / "whole"), lines


def kill_and_call_again(whole, kills, *, seed):
    """Kill runs at random moments until there were so many kills, and compare whatever was finished."""
    root, expected, lines = whole
    chance = random.Random(seed)
    done = finished = 0
    while done < kills:
        work = root / f"killed-{finished}"
        while done < kills:
            if not kill_once(start(root, work), chance.randint(1, lines), chance.uniform(0, 0.3)):
                break
            done += 1
        finish(start(root, work))
        assert results(work) == expected, f"after {done} kills"
        finished += 1


def test_a_run_that_is_killed_twice_ends_as_one_that_nobody_touched(whole):
    kill_and_call_again(whole, 2, seed=1)


@pytest.mark.slow
def test_twenty_kills(whole):
    kill_and_call_again(whole, 20, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_within_seconds_and_say_how_to_go_on(whole, signal_number):
    root, expected, _ = whole
    work = root / signal_number.name
    process = start(root, work, "seeds")
    while "step 3/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal_number)
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - begin < 20  # seconds of a machine that does much else
    assert "interrupted: the same command goes on where it stopped" in said
    assert "Traceback" not in said
    finish(start(root, work, "seeds"))
    assert results(work, ("seeds",)) == {
        name: digest for name, digest in expected.items() if name.startswith("seeds/")
    }
