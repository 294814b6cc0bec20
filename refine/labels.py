"""Confident labels: the pixels that the seeds are sure of, sharpened along the image's edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsss.crf import crf_labels

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
