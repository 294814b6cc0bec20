"""Confident labels: the pixels that the seeds are sure of, sharpened along the image's edges."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import Artifact, read_seed, write_mask
from wsss.crf import crf_labels
from wsss.datasets import DataSet
from wsss.images import read_image
from wsss.progress import track

UNSURE = 255


def confident_label(
    image: NDArray[np.uint8],
    maps: NDArray[np.floating],
    classes: NDArray[np.integer],
    *,
    foreground_threshold: float,
    background_threshold: float,
) -> NDArray[np.uint8]:
    """Label the pixels on which a strict and a lenient threshold agree.

    A pixel gets a class where the class beats ``foreground_threshold``, background where no class beats
    ``background_threshold``, and 255 in between; both decisions pass a dense CRF first.

    Args:
        image: (H, W, 3) uint8 RGB.
        maps: (K, H, W) float in [0, 1], seeds at full size.
        classes: (K,) integer in 1..254, the labels of the maps.
        foreground_threshold: in [0, 1], not below the other one.
        background_threshold: in [0, 1].

    Returns:
        (H, W) uint8: 0 background, a class, or 255 where unsure.

    Raises:
        ValueError: shapes that do not belong together, classes or thresholds out of range.

    Source: the authors' code of Ahn et al., CVPR 2019 (``cam_to_ir_label``).
    """
    _check(image, maps, classes, foreground_threshold, background_threshold)
    labels = np.concatenate([[0], classes]).astype(np.uint8)
    foreground = _decide(image, maps, labels, foreground_threshold)
    # Equal decisions need only one CRF; it takes nearly all of the time.
    background = foreground
    if background_threshold != foreground_threshold:
        background = _decide(image, maps, labels, background_threshold)
    result = foreground.copy()
    result[foreground == 0] = UNSURE
    result[(foreground == 0) & (background == 0)] = 0
    return result


def confident_share(label: NDArray[np.uint8]) -> float:
    """Share of the pixels of a confident label (H, W) that are not 255, in [0, 1]."""
    return float((label != UNSURE).mean())


def _decide(
    image: NDArray[np.uint8], maps: NDArray[np.floating], labels: NDArray[np.uint8], threshold: float
) -> NDArray[np.uint8]:
    """Winner among the threshold and the maps, through dense CRF: (H, W) uint8."""
    scores = np.concatenate([np.full((1, *maps.shape[1:]), threshold, dtype=maps.dtype), maps])
    winner = scores.argmax(axis=0)
    if len(labels) == 1:
        return np.zeros(winner.shape, dtype=np.uint8)
    return labels[crf_labels(image, winner, len(labels))]


def _check(
    image: NDArray[np.uint8],
    maps: NDArray[np.floating],
    classes: NDArray[np.integer],
    foreground_threshold: float,
    background_threshold: float,
) -> None:
    if maps.ndim != 3 or maps.shape[1:] != image.shape[:2]:
        raise ValueError(f"expected maps of shape (K, {image.shape[0]}, {image.shape[1]}), got {maps.shape}")
    if classes.shape != (len(maps),) or (classes.size and not (classes.min() > 0 and classes.max() < UNSURE)):
        raise ValueError(f"expected {len(maps)} classes in 1..254, one for each map, got {classes.tolist()}")
    if not 0 <= background_threshold <= foreground_threshold <= 1:
        raise ValueError(
            "expected 0 <= background_threshold <= foreground_threshold <= 1, "
            f"got {background_threshold} and {foreground_threshold}"
        )


@dataclasses.dataclass(frozen=True)
class _Task:
    """One image's confident label: where from, where to, and how."""

    image: Path
    seed: Path
    out: Path
    foreground_threshold: float
    background_threshold: float


def write_confident_labels(
    dataset: DataSet,
    seeds: Artifact,
    *,
    image_ids: Sequence[str],
    out_dir: Path,
    foreground_threshold: float,
    background_threshold: float,
    num_workers: int,
) -> None:
    """Write the confident label of each image without one, as palette PNG.

    Args:
        dataset: where the images are.
        seeds: the published seeds.
        image_ids: images to label.
        out_dir: gets ``ID.png``.
        foreground_threshold: as in `confident_label`.
        background_threshold: as in `confident_label`.
        num_workers: processes; 0 for one per CPU core this process may use, 1 for this process alone.
    """
    files = [(image_id, out_dir / f"{image_id}.png") for image_id in image_ids]
    tasks = [
        _Task(
            dataset.image_path(image_id),
            seeds.file(image_id),
            file,
            foreground_threshold,
            background_threshold,
        )
        for image_id, file in files
        if not file.is_file()
    ]
    workers = min(num_workers or _available_cores(), len(tasks))
    if workers <= 1:
        for task in track(tasks, "confident labels"):
            _write_one(task)
        return
    # The parent's threads do not survive a fork, but the workers use none: cv2's are switched off below.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with context.Pool(workers, initializer=cv2.setNumThreads, initargs=(0,)) as pool:
        for _ in track(pool.imap_unordered(_write_one, tasks), "confident labels", total=len(tasks)):
            pass


def _write_one(task: _Task) -> None:
    seed = read_seed(task.seed)
    label = confident_label(
        read_image(task.image),
        seed.upsample(),
        seed.classes,
        foreground_threshold=task.foreground_threshold,
        background_threshold=task.background_threshold,
    )
    write_mask(task.out, label)


def _available_cores() -> int:
    # Containers often give a process fewer cores than the machine has; macOS cannot say.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
