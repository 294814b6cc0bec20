"""Shares of images whose object is found: at the best of many thresholds, and at one that was fixed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsss.localization.boxes import box_iou, center_boxes
from wsss.localization.contours import ContourBoxes, find_levels, trace_contours
from wsss.localization.maps import GRID

IOUS = (0.3, 0.5, 0.7)
KNOWN_IOU = 0.5
TOP = (1, 5)
VARIANTS = ("v1", "v2")
# Half of the image's area.
_HALF = 0.5**0.5


class MaxBoxAccuracy:
    """MaxBoxAcc (v1: the largest contour of a map) and MaxBoxAccV2 (v2: all contours).

    An image is right at a threshold where a box of the map overlaps a true one by the IoU asked for. Ground
    truth chooses the threshold, for each IoU its own: these are oracle figures.

    Source: Choe et al., "Evaluation for Weakly Supervised Object Localization", and wsolevaluation.

    >>> score_map = np.zeros((8, 8))
    >>> score_map[2:6, 2:6] = 1.0
    >>> accuracy = MaxBoxAccuracy()
    >>> accuracy.update(score_map, np.array([[2, 2, 6, 9]]))
    >>> accuracy.compute()["v1"]
    array([100., 100.,   0.])
    """

    def __init__(self, *, step: float = 0.01, ious: Sequence[float] = IOUS) -> None:
        """Start with no image.

        Args:
            step: distance of the thresholds, which begin at 0; .01 in published figures, .001 in training.
            ious: overlaps, above 0 and at most 1.

        Raises:
            ValueError: a number is out of range.
        """
        if not 0 < step <= 1:
            raise ValueError(f"expected a step in (0, 1], got {step}: change it")
        self.ious = _check_ious(ious)
        self.thresholds = np.arange(0, 1, step)
        self._counts = _Counts((len(VARIANTS), len(self.ious), len(self.thresholds)))

    @property
    def images(self) -> int:
        """Number of images so far."""
        return self._counts.images

    @property
    def ranked(self) -> bool:
        """Whether all images came with a rank, so that `top` can be asked."""
        return self._counts.ranked

    def update(self, score_map: NDArray[Any], boxes: ArrayLike, *, rank: int | None = None) -> None:
        """Count one image.

        Args:
            score_map: (h, w) float in [0, 1], of the image's class.
            boxes: (n, 4) int x0 y0 x1 y1, true ones on the grid of the map; one is enough to be found.
            rank: place of the image's class among the predicted ones, 0 the first (`class_rank`); None:
                classes were not predicted, and `top` cannot be asked.

        Raises:
            ValueError: not such a map, no boxes, or boxes of another grid.
        """
        truth = _check_truth(boxes, score_map.shape)
        levels = find_levels(score_map, self.thresholds)
        # Boxes lie inside their level's reach. Where that holds too little of every true box, no box can have
        # the smallest overlap, and the levels after it reach less still.
        covered = _covered(levels.reach, truth).max(axis=1)
        reached = int(np.count_nonzero(covered >= self.ious[0]))
        best = np.zeros((len(VARIANTS), len(levels.cuts)))
        if reached:
            best[:, :reached] = _best_overlaps(trace_contours(levels, reached), truth)
        hit = best[:, None, levels.of_threshold] >= np.array(self.ious)[:, None]
        self._counts.add(hit, rank)

    def compute(self) -> dict[str, NDArray[np.float64]]:
        """Best accuracy over the thresholds.

        Returns:
            ``v1`` and ``v2``: (len(ious),) in percent.

        Raises:
            ValueError: there was no image.
        """
        return {name: curve.max(axis=-1) for name, curve in self.curves().items()}

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy at every threshold: ``v1`` and ``v2``, (len(ious), len(thresholds)) in percent."""
        return dict(zip(VARIANTS, self._counts.shares(), strict=True))

    def best_thresholds(self) -> dict[str, NDArray[np.float64]]:
        """Thresholds of `compute`, the lowest of several: ``v1`` and ``v2``, (len(ious),)."""
        return {name: self.thresholds[curve.argmax(axis=-1)] for name, curve in self.curves().items()}

    def top(self, k: int) -> dict[str, NDArray[np.float64]]:
        """Accuracy where the class, too, is right: among the first ``k`` predicted.

        Args:
            k: 1 or 5.

        Returns:
            ``v1`` and ``v2``: (len(ious),) in percent, at thresholds of their own.

        Raises:
            ValueError: other ``k``, or an image came without ``rank``.
        """
        return {
            name: curve.max(axis=-1) for name, curve in zip(VARIANTS, self._counts.shares(k), strict=True)
        }


class BoxAccuracy:
    """Accuracy of one box an image, whatever made it: GT-known, Top-1 and Top-5 localisation."""

    def __init__(self, *, ious: Sequence[float] = IOUS) -> None:
        """Start with no image.

        Raises:
            ValueError: an IoU is out of range.
        """
        self.ious = _check_ious(ious)
        # GT-known has its IoU whichever are asked for.
        self._all = np.array([*self.ious, KNOWN_IOU])
        self._counts = _Counts((len(self._all),))

    @property
    def images(self) -> int:
        """Number of images so far."""
        return self._counts.images

    def update(self, box: ArrayLike, boxes: ArrayLike, *, rank: int | None = None) -> None:
        """Count one image.

        Args:
            box: (4,) x0 y0 x1 y1, the predicted one; of several (k, 4) any may be right.
            boxes: (n, 4), true ones on the same grid; one is enough to be found.
            rank: place of the image's class among the predicted ones, 0 the first; None: not predicted.

        Raises:
            ValueError: no true boxes, or other shapes.
        """
        truth = _check_truth(boxes)
        self._counts.add(np.max(box_iou(box, truth)) >= self._all, rank)

    def compute(self) -> dict[str, Any]:
        """Figures in percent.

        Returns:
            ``accuracy`` (len(ious),); ``one_threshold_mean``, their mean, which BAS's code calls
            MaxBoxAccV2 though it has one threshold and one box (`MaxBoxAccuracy` has the one by that name);
            ``gt_known``, the accuracy at IoU .5; ``top1`` and ``top5``, the same where the class is among
            the first 1 or 5 predicted, None where classes were not predicted.

        Raises:
            ValueError: there was no image.
        """
        *accuracy, known = self._counts.shares()
        tops = {f"top{k}": float(self._counts.shares(k)[-1]) if self._counts.ranked else None for k in TOP}
        values = np.array(accuracy)
        return {
            "accuracy": values,
            "one_threshold_mean": float(values.mean()),
            "gt_known": float(known),
            **tops,
        }


class CenterBoxAccuracy:
    """What boxes find that look at no image: the whole of it, and boxes around its middle.

    Where objects are large, as in VOC, these find many.
    """

    def __init__(self, *, size: tuple[int, int] = GRID, ious: Sequence[float] = IOUS) -> None:
        """Start with no image.

        Args:
            size: (H, W) of the grid.
            ious: overlaps, above 0 and at most 1.
        """
        self.ious = _check_ious(ious)
        self.sides = np.append(np.arange(5, 101) / 100, _HALF)
        self._boxes = center_boxes(self.sides, size)
        self._counts = _Counts((len(self.ious), len(self.sides)))

    def update(self, boxes: ArrayLike, *, rank: int | None = None) -> None:
        """Count one image: its true boxes, (n, 4) int on the grid, and as in `BoxAccuracy` its rank."""
        truth = _check_truth(boxes)
        self._counts.add(box_iou(self._boxes, truth).max(axis=1) >= np.array(self.ious)[:, None], rank)

    def compute(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy in percent, each (len(ious),).

        Returns:
            ``full_image``; ``center_half``, a box of half the image's area; ``center_oracle``, where ground
            truth chooses the size, for each IoU its own.

        Raises:
            ValueError: there was no image.
        """
        shares = self._counts.shares()
        return {
            "full_image": shares[:, -2],
            "center_half": shares[:, -1],
            "center_oracle": shares.max(axis=-1),
        }


def class_rank(scores: ArrayLike, label: int) -> int:
    """Place of a class among the predicted ones.

    Args:
        scores: (C,) a score per class, higher is likelier.
        label: index of the class in ``scores``.

    Returns:
        0 for the likeliest. Of equal scores the lower index comes first, as in a stable sort.

    Raises:
        ValueError: not (C,), not finite, or no such class.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or not 0 <= label < len(values):
        raise ValueError(
            f"expected finite scores (C,) and a class of them, got {values.shape} and {label}: check both"
        )
    return int(np.count_nonzero(values > values[label]) + np.count_nonzero(values[:label] == values[label]))


class _Counts:
    """Hits of many measurements: of all images, and of those whose class was among the first k."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.images = 0
        self._ranked = 0
        self._hits = np.zeros(shape, np.int64)
        self._top = {k: np.zeros(shape, np.int64) for k in TOP}

    @property
    def ranked(self) -> bool:
        """Whether classes were predicted for all images."""
        return 0 < self.images == self._ranked

    def add(self, hit: NDArray[np.bool_], rank: int | None) -> None:
        if rank is not None and rank < 0:
            raise ValueError(f"expected a rank of 0 or more, got {rank}: 0 is the likeliest class")
        self.images += 1
        self._hits += hit
        if rank is not None:
            self._ranked += 1
            for k, hits in self._top.items():
                if rank < k:
                    hits += hit

    def shares(self, k: int | None = None) -> NDArray[np.float64]:
        """Shares of the images in percent."""
        if self.images == 0:
            raise ValueError("expected at least one image, got none: call update first")
        if k is None:
            return 100 * self._hits / self.images
        if k not in self._top or not self.ranked:
            raise ValueError(
                f"expected k out of {TOP} and a rank for each image, got k={k} and ranks for {self._ranked} "
                f"of {self.images}: pass rank to update"
            )
        return 100 * self._top[k] / self.images


def _best_overlaps(traced: ContourBoxes, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """(2, L): largest overlap of each level's largest contour, and of all its contours."""
    overlap = box_iou(traced.boxes, truth).max(axis=1)
    return np.stack([overlap[traced.largest], np.maximum.reduceat(overlap, traced.starts)])


def _covered(reach: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """(L, n) share of each true box that lies within each level's reach."""
    inside = np.minimum(reach[:, None, 2:], truth[:, 2:]) - np.maximum(reach[:, None, :2], truth[:, :2]) + 1
    return inside.clip(0).prod(axis=-1) / (truth[:, 2:] - truth[:, :2] + 1).prod(axis=-1)


def _check_ious(ious: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(one) for one in ious)
    if not values or not all(0 < one <= 1 for one in values) or list(values) != sorted(set(values)):
        raise ValueError(f"expected rising IoUs in (0, 1], got {ious}: change them")
    return values


def _check_truth(boxes: ArrayLike, grid: tuple[int, ...] | None = None) -> NDArray[np.int64]:
    truth = np.asarray(boxes)
    if truth.ndim != 2 or truth.shape[1] != 4 or len(truth) == 0 or truth.dtype.kind not in "iu":
        raise ValueError(
            f"expected one or more true boxes (n, 4) of whole numbers, got {truth.dtype} {truth.shape}: "
            "use resize_boxes"
        )
    truth = truth.astype(np.int64)
    if (truth[:, 2:] < truth[:, :2]).any():
        raise ValueError(f"expected boxes x0 y0 x1 y1, got {truth.tolist()}: x1 and y1 come last")
    if grid is not None and (truth[:, :2] >= grid[::-1]).any():
        raise ValueError(
            f"expected true boxes on the map's grid of {grid[0]} x {grid[1]}, got {truth.tolist()}: "
            "use resize_boxes"
        )
    return truth
