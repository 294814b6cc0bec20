"""Work on many images in several processes, for what runs on one core and needs no network."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Task = TypeVar("_Task")
_Product = TypeVar("_Product")


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
    """
    # Here, because it takes torch along: `segment.crf` starts processes anew that import this module.
    from wsss.progress import track

    workers = min(num_workers or available_cores(), len(tasks))
    if workers <= 1:
        yield from track(map(work, tasks), description, total=len(tasks))
        return
    # The parent's threads do not survive a fork, but the workers start none.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(method).Pool(workers, initializer=_one_thread) as pool:
        yield from track(pool.imap(work, tasks, chunksize=chunk), description, total=len(tasks))


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
