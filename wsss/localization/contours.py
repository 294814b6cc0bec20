"""Boxes of the contours of a score map at many thresholds.

wsolevaluation thresholds a map of 8 bits a hundred or a thousand times and traces the contours of each
result. The results differ only where a value of the map lies between two thresholds, so there are at most
255 to trace; and of those only the part that holds foreground.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Levels:
    """The foregrounds of one map, from all of it to the peak.

    Attributes:
        pixels: (H, W) uint8, the map in 8 bits.
        cuts: (L,) int64, rising: the pixels of a level are those above its cut. No two levels are the same.
        of_threshold: (T,) int64, the level of each threshold.
        extents: (L, 4) int64 x0 y0 x1 y1, the smallest box that holds all pixels of a level. Levels only
            shrink, and so do these.
    """

    pixels: NDArray[np.uint8]
    cuts: NDArray[np.int64]
    of_threshold: NDArray[np.int64]
    extents: NDArray[np.int64]

    @property
    def reach(self) -> NDArray[np.int64]:
        """(L, 4) what no box of a level goes beyond: boxes of contours end one beyond the last pixel."""
        return self.extents + np.array([0, 0, 1, 1])


@dataclasses.dataclass(frozen=True)
class ContourBoxes:
    """Boxes of all contours of the first L levels.

    Attributes:
        boxes: (N, 4) int64 x0 y0 x1 y1, level by level.
        starts: (L,) int64, index of each level's first box; every level has one or more.
        largest: (L,) int64, index of the box of each level's contour of largest area.
    """

    boxes: NDArray[np.int64]
    starts: NDArray[np.int64]
    largest: NDArray[np.int64]


def find_levels(score_map: NDArray[Any], thresholds: NDArray[np.float64]) -> Levels:
    """Tell apart the thresholds at which a map gives different foregrounds.

    Args:
        score_map: (H, W) float in [0, 1].
        thresholds: (T,) in [0, 1), as shares of the map's maximum.

    Raises:
        ValueError: not (H, W), values outside [0, 1] or not finite.

    Source: wsolevaluation: the map times 255, truncated; foreground is above the truncated product of
        threshold and maximum.
    """
    pixels = _eight_bits(score_map)
    cuts = (thresholds * pixels.max()).astype(np.int64)
    values = np.flatnonzero(np.bincount(pixels.ravel(), minlength=256))
    # Two cuts with the same number of occurring values below them leave the same pixels.
    _, first, of_threshold = np.unique(
        np.searchsorted(values, cuts, side="right"), return_index=True, return_inverse=True
    )
    kept = cuts[first]
    return Levels(pixels, kept, of_threshold, _extents(pixels, kept))


def trace_contours(levels: Levels, count: int) -> ContourBoxes:
    """Boxes of the contours of the first levels, outer ones and those of holes.

    Args:
        levels: of one map.
        count: how many levels, from the widest on.

    Source: wsolevaluation: cv2.findContours with RETR_TREE; a box ends one beyond the contour's last pixel,
        but inside the image; the largest contour is that of largest cv2.contourArea, the first of several.
        A level without foreground has the box of the first pixel.
    """
    found: list[Sequence[int]] = []
    starts, largest, corners = [], [], []
    for cut, (left, top, right, bottom) in zip(
        levels.cuts[:count].tolist(), levels.extents[:count].tolist(), strict=True
    ):
        starts.append(len(found))
        # Outside this window all is background, which changes no contour.
        window = levels.pixels[top : bottom + 1, left : right + 1]
        _, binary = cv2.threshold(window, cut, 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        areas = [cv2.contourArea(one) for one in contours] or [0.0]
        largest.append(starts[-1] + areas.index(max(areas)))
        found += [cv2.boundingRect(one) for one in contours] or [(0, 0, 0, 0)]
        corners += [(left, top)] * len(areas)
    boxes = np.array(found, np.int64).reshape(-1, 4)
    boxes[:, :2] += np.array(corners, np.int64).reshape(-1, 2)
    boxes[:, 2:] += boxes[:, :2]
    height, width = levels.pixels.shape
    ends = (width, height, width - 1, height - 1)
    return ContourBoxes(np.minimum(boxes, ends), np.array(starts, np.int64), np.array(largest, np.int64))


def boxes_at_threshold(
    score_map: NDArray[Any], threshold: float, *, contours: Literal["all", "largest"] = "all"
) -> NDArray[np.int64]:
    """Boxes of a map's contours at one threshold, by wsolevaluation's rules.

    Args:
        score_map: (H, W) float in [0, 1].
        threshold: in [0, 1), as a share of the map's maximum.
        contours: ``all`` in the order of cv2.findContours, or the ``largest`` alone.

    Returns:
        (n, 4) int64 x0 y0 x1 y1; (0, 0, 0, 0) where the map is 0.

    Raises:
        ValueError: not a map of (H, W) in [0, 1].
    """
    traced = trace_contours(find_levels(score_map, np.array([threshold])), 1)
    return traced.boxes if contours == "all" else traced.boxes[traced.largest]


def _eight_bits(score_map: NDArray[Any]) -> NDArray[np.uint8]:
    if score_map.ndim != 2 or score_map.size == 0 or score_map.dtype.kind != "f":
        raise ValueError(
            f"expected a score map (H, W) of floats, got {score_map.dtype} {score_map.shape}: pass one map"
        )
    low, high = float(score_map.min()), float(score_map.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"expected a score map in [0, 1], got {low:.3g} to {high:.3g}: use normalize_score_map"
        )
    return (score_map * 255).astype(np.uint8)


def _extents(pixels: NDArray[np.uint8], cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(L, 4) x0 y0 x1 y1 of what is above each cut; the first pixel where nothing is."""
    sides = []
    for peaks in (pixels.max(axis=0), pixels.max(axis=1)):
        above = peaks > cuts[:, None]
        last = len(peaks) - 1 - above[:, ::-1].argmax(axis=1)
        sides.append((above.argmax(axis=1), np.where(above.any(axis=1), last, 0)))
    (left, right), (top, bottom) = sides
    return np.stack([left, top, right, bottom], axis=1).astype(np.int64)
