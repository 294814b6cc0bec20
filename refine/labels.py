"""Confident labels: the pixels that the seeds are sure of, sharpened along the image's edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refine.class_maps import read_class_maps
from wsss.artifacts import IGNORE, Artifact, Seed, write_mask
from wsss.crf import crf_labels
from wsss.datasets import DataSet
from wsss.images import ImageFile, read_image
from wsss.processes import map_images


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

    >>> image = np.repeat(np.uint8([[10] * 3, [240] * 3])[None], 4, axis=0)
    >>> maps = np.float32([[[0.0, 0.9]] * 4])
    >>> confident_label(image, maps, np.array([7]), foreground_threshold=0.4, background_threshold=0.1)
    array([[0, 7],
           [0, 7],
           [0, 7],
           [0, 7]], dtype=uint8)
    """
    _check(image, maps, classes, foreground_threshold, background_threshold)
    foreground = decide(maps, classes, threshold=foreground_threshold, image=image)
    # Equal decisions need only one CRF; it takes nearly all of the time.
    background = foreground
    if background_threshold != foreground_threshold:
        background = decide(maps, classes, threshold=background_threshold, image=image)
    result = foreground.copy()
    result[foreground == 0] = IGNORE
    result[(foreground == 0) & (background == 0)] = 0
    return result


def decide(
    maps: NDArray[np.floating],
    classes: NDArray[np.integer],
    *,
    threshold: float,
    image: NDArray[np.uint8] | None = None,
    iterations: int = 10,
) -> NDArray[np.uint8]:
    """Label each pixel with the class whose map is highest, background where none is above the threshold.

    Args:
        maps: (K, H, W) float in [0, 1].
        classes: (K,) integer, the labels of the maps.
        threshold: in [0, 1].
        image: (H, W, 3) uint8 RGB to pass the decision through a dense CRF; None: no CRF.
        iterations: of the CRF.

    Returns:
        (H, W) uint8, 0 background or a class.
    """
    labels = np.concatenate([[0], classes]).astype(np.uint8)
    ground = np.full((1, *maps.shape[1:]), threshold, dtype=maps.dtype)
    winner = np.concatenate([ground, maps]).argmax(axis=0)
    if image is not None and len(labels) > 1:
        winner = crf_labels(image, winner, len(labels), iterations=iterations)
    return labels[winner]


def _check(
    image: NDArray[np.uint8],
    maps: NDArray[np.floating],
    classes: NDArray[np.integer],
    foreground_threshold: float,
    background_threshold: float,
) -> None:
    if maps.ndim != 3 or maps.shape[1:] != image.shape[:2]:
        raise ValueError(f"expected maps of shape (K, {image.shape[0]}, {image.shape[1]}), got {maps.shape}")
    if classes.shape != (len(maps),) or (classes.size and not (classes.min() > 0 and classes.max() < IGNORE)):
        raise ValueError(f"expected {len(maps)} classes in 1..254, one for each map, got {classes.tolist()}")
    if not 0 <= background_threshold <= foreground_threshold <= 1:
        raise ValueError(
            "expected 0 <= background_threshold <= foreground_threshold <= 1, "
            f"got {background_threshold} and {foreground_threshold}"
        )


def read_seed_as_set(path: Path, labels: Mapping[str, Any], tags: Sequence[int] = ()) -> Seed:
    """Read a seed for IRN: with each map's own threshold brought to one value where that is asked for.

    Args:
        path: of the seed.
        labels: the config's table: ``image_specific``, and ``calibrated_to``, the value.
        tags: of the image, for seeds whose only map is class-agnostic (`read_class_maps`).

    Raises:
        ArtifactError: the file is absent or damaged, or has no thresholds although ``image_specific`` is on.
    """
    seed = read_class_maps(path, tags)
    return seed.calibrated(labels["calibrated_to"]) if labels["image_specific"] else seed


@dataclasses.dataclass(frozen=True)
class _Task:
    """One image's confident label: where from, where to, and how."""

    image: ImageFile
    seed: Path
    tags: Sequence[int]
    out: Path
    settings: Mapping[str, Any]


def write_confident_labels(
    dataset: DataSet,
    seeds: Artifact,
    *,
    image_ids: Sequence[str],
    out_dir: Path,
    settings: Mapping[str, Any],
) -> int:
    """Write the confident label of each image without one, as palette PNG.

    Args:
        dataset: where the images are.
        seeds: the published seeds.
        image_ids: images to label.
        out_dir: gets ``ID.png``.
        settings: the config's ``labels``.

    Returns:
        How many were written.
    """
    plain = dict(settings)
    tasks = [
        _Task(
            dataset.image_file(image_id),
            seeds.file(image_id),
            dataset.tags(image_id),
            out_dir / f"{image_id}.png",
            plain,
        )
        for image_id in image_ids
        if not (out_dir / f"{image_id}.png").is_file()
    ]
    return sum(map_images(_write_one, tasks, "confident labels", num_workers=plain["num_workers"]))


def _write_one(task: _Task) -> int:
    seed = read_seed_as_set(task.seed, task.settings, task.tags)
    label = confident_label(
        read_image(task.image),
        seed.upsample(),
        seed.classes,
        foreground_threshold=task.settings["foreground_threshold"],
        background_threshold=task.settings["background_threshold"],
    )
    write_mask(task.out, label)
    return 1
