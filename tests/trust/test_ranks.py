"""Several processes: the same inference to the byte, and a job that one of them leaves by force."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from wsss.artifacts import open_artifact

# With the dense CRF, which has workers of its own.
CRF = "segment.infer.crf=True"


def infer_again(demo, work, *, processes, workers):
    """Make all but the networks of the first run again; hashes and figures of it."""
    shutil.copytree(demo.root / "whole", demo.root / work)
    for pattern in ("*.npz", "*.png"):
        for file in (demo.root / work).rglob(pattern):
            file.unlink()
    options = (CRF, f"labels.num_workers={workers}", f"segment.infer.num_workers={workers}")
    said = demo.run(work, *options, processes=processes)
    assert not any("train" in line and "step" in line for line in said)
    kinds = ("seeds", "masks", "segment")
    return demo.results(work), [open_artifact(demo.root / work / one).manifest["figures"] for one in kinds]


@pytest.fixture(scope="module")
def inferred(demo):
    """What one process makes without workers."""
    made = infer_again(demo, "alone", processes=1, workers=1)
    assert made[0].items() >= demo.results("whole").items()
    assert sum("predictions_crf" in name for name in made[0]) == 4
    return made


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "workers"), [(1, 0), (1, 2), (2, 0), (2, 1), (3, 2)])
def test_inference_is_the_same_to_the_byte(demo, inferred, processes, workers):
    assert infer_again(demo, f"{processes}-{workers}", processes=processes, workers=workers) == inferred


def ranks_of(process):
    """Rank -> process id of the processes that a call started."""
    found = {}
    for file in Path(f"/proc/{process.pid}/task").glob("*/children"):
        for child in file.read_text().split():
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            found |= {
                int(one.removeprefix(b"RANK=")): int(child) for one in environment if one.startswith(b"RANK=")
            }
    return found


def kill_rank(process, rank, *, after):
    """Kill one of a job's processes after a line; what the job said until then, and after."""
    before = []
    while after not in (before or [""])[-1]:
        assert process.poll() is None, before
        before.append(process.stderr.readline())
    os.kill(ranks_of(process)[rank], signal.SIGKILL)
    begin = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert time.monotonic() - begin < 30  # on a machine that does much else; alone about four
    return before, [line for line in said.splitlines() if "step" not in line]


@pytest.mark.slow
def test_a_killed_rank_ends_the_job_and_the_same_command_ends_as_if_it_had_not(demo):
    demo.run("two", stage="seeds", processes=2)
    process = demo.start("killed", stage="seeds", processes=2)
    _, (line,) = kill_rank(process, 1, after="step 4/")
    assert "expected 2 processes to work to the end, SIGKILL ended process 1" in line
    assert "the same command goes on where it stopped" in line
    said = demo.run("killed", stage="seeds", processes=2)
    # The line comes before the epoch's checkpoint, which the kill may have forestalled.
    assert any("train bas: continues at step" in one for one in said)
    assert demo.results("killed", ["seeds"]) == demo.results("two", ["seeds"])


@pytest.mark.slow
def test_a_job_goes_on_with_another_number_of_processes(demo):
    """From two processes to three to one; weights are not those of one process (docs/trust.md)."""
    process = demo.start("numbers", processes=2)
    kill_rank(process, 1, after="train bas: step 4/")
    process = demo.start("numbers", processes=3)
    before, _ = kill_rank(process, 0, after="train network: step 3/")
    assert any("train bas: continues at step" in line for line in before)
    said = demo.run("numbers")
    assert any("train network: continues at step 2 of 6" in line for line in said)
    assert demo.results("numbers").keys() == demo.results("whole").keys()
