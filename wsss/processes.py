"""Work on many images in several processes, for what runs on one core and needs no network."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

_Task = TypeVar("_Task")
_Product = TypeVar("_Product")

# Chunks of tasks that wait for each process: none is idle, and few are begun after an error.
_AHEAD = 4


def map_images(
    work: Callable[[_Task], _Product],
    tasks: Sequence[_Task],
    description: str,
    *,
    num_workers: int,
    chunk: int = 1,
) -> Iterator[_Product]:
    """Apply a function to the task of every image, and show the progress.

    Args:
        work: a function of a module, which the processes find by its name.
        tasks: one per image; they are pickled.
        description: name of the loop, as shown.
        num_workers: processes; 0 for this process's share of the CPU cores, 1 for this process alone.
        chunk: tasks that a process takes at a time; more than 1 where a task takes milliseconds.

    Returns:
        An iterator over the products in the order of the tasks.

    Raises:
        concurrent.futures.process.BrokenProcessPool: one of the processes was killed.
        Exception: what the work raised.
    """
    # Here, because it takes torch along: `segment.crf` starts processes anew that import this module.
    from wsss.progress import track

    workers = min(num_workers or available_cores(), len(tasks))
    if workers <= 1:
        yield from track(map(work, tasks), description, total=len(tasks))
        return
    yield from track(_map_in_processes(work, tasks, workers, chunk), description, total=len(tasks))


def _map_in_processes(
    work: Callable[[_Task], _Product], tasks: Sequence[_Task], workers: int, chunk: int
) -> Iterator[_Product]:
    # The parent's threads do not survive a fork, but the workers start none.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    # Not multiprocessing.Pool: it kills its processes when it ends, and waits forever for the lock of one
    # that was just sending a product; nor does it see that one of them was killed.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(method), initializer=_one_thread)
    waiting: deque[Future[list[_Product]]] = deque()
    try:
        for start in range(0, len(tasks), chunk):
            waiting.append(pool.submit(_work_all, work, tasks[start : start + chunk]))
            if len(waiting) > _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _work_all(work: Callable[[_Task], _Product], tasks: Sequence[_Task]) -> list[_Product]:
    return [work(task) for task in tasks]


def available_cores() -> int:
    """CPU cores for this process, at least 1: those of its container, shared among the job's processes."""
    # macOS cannot say how many of its cores a process may use.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Set by torchrun: how many processes of the job run on this machine.
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _one_thread() -> None:
    import cv2
    import torch

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
