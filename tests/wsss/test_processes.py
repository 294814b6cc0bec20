"""Work on images in several processes: order, errors, cores."""

import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from wsss.processes import available_cores, map_images


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number**2


@pytest.mark.parametrize("num_workers", [1, 2])
def test_products_come_in_the_order_of_the_tasks(num_workers):
    assert list(map_images(square, range(20), "squares", num_workers=num_workers)) == [
        n**2 for n in range(20)
    ]
    assert list(map_images(square, [], "squares", num_workers=num_workers)) == []


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_reaches_the_caller(num_workers):
    with pytest.raises(ValueError, match="-3 is negative"):
        list(map_images(square, [1, -3, 2], "squares", num_workers=num_workers))


def test_an_error_never_leaves_a_process_waiting():
    """multiprocessing.Pool waits forever once in some hundred: it kills a process that holds a lock."""
    code = """
import cv2, torch  # here, not in each process
from wsss.processes import map_images
for _ in range(200):
    try:
        list(map_images(int, ["x"] * 4, "rounds", num_workers=2))
    except ValueError:
        continue
    raise SystemExit("no error")
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=300, stderr=subprocess.PIPE).returncode == 0


def die(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_ends_the_work():
    with pytest.raises(BrokenProcessPool):
        list(map_images(die, range(4), "killed", num_workers=2))


@pytest.mark.parametrize("chunk", [1, 3])
def test_tasks_are_begun_a_few_ahead(tmp_path, chunk):
    products = map_images(
        Path.touch, [tmp_path / str(n) for n in range(200)], "files", num_workers=2, chunk=chunk
    )
    next(products)
    products.close()
    assert 0 < len(list(tmp_path.iterdir())) < 100


def test_processes_of_a_job_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert available_cores() == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert available_cores() == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "9")
    assert available_cores() == 1


@pytest.mark.parametrize("module", ["wsss.processes", "segment.crf"])
def test_processes_that_start_anew_need_not_wait_for_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
