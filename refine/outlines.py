"""The background score of each mask without ground truth: its outlines follow the learned edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from refine.by_tags import HOME
from wsss.artifacts import Seed
from wsss.evaluate import THRESHOLDS
from wsss.progress import track
from wsss.scored import spread

BY_EDGES = "learned edges along the outlines of the mask, without ground truth"
# Images that the mean is of.
_IMAGES = 100
# Less than this is rounding.
_NOTHING = 1e-6


def score_of_outlines(walked: Seed, edge: NDArray[np.float32], mean: NDArray[np.float64]) -> float:
    """The background score at which the outlines of a mask follow the learned edges best.

    The walk stops at edges, so that walked maps fall where objects end. Too low a score lets a mask end in
    the background, too high a one inside of the object, and there are few edges in either. Where the edges of
    an image say little, the other images decide.

    Args:
        walked: walked maps of the image.
        edge: its edges, (h, w) in [0, 1].
        mean: of `edges_of_outlines` over images.

    Returns:
        Out of `THRESHOLDS`, the one with the highest sum of the image's own values and the mean; the authors'
        .22 where no outline has more edges than the rest.
    """
    total = edges_of_outlines(walked, edge) + mean
    at = int(total.argmax())
    return float(THRESHOLDS[at]) if total[at] > _NOTHING else HOME


def mean_of_outlines(
    image_ids: Sequence[str], *, read: Callable[[str], tuple[Seed, NDArray[np.float32]]]
) -> NDArray[np.float64]:
    """Mean of `edges_of_outlines` over images.

    Args:
        image_ids: at most 100 of them, spread over the list, are looked at.
        read: gives the walked seed of an image id, and its edges, (h, w) in [0, 1].

    Returns:
        (len(THRESHOLDS),) float.
    """
    some = spread(image_ids, _IMAGES)
    total = np.zeros(len(THRESHOLDS))
    for image_id in track(some, "edges along outlines"):
        total += edges_of_outlines(*read(image_id))
    return total / max(len(some), 1)


def edges_of_outlines(walked: Seed, edge: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much more edge there is along the outlines of the mask at each threshold than elsewhere.

    The mean alone would be highest for a few short outlines on the strongest edges, the sum for long ones on
    weak edges.

    Args:
        walked: maps (K, h, w).
        edge: (h, w) in [0, 1].

    Returns:
        (len(THRESHOLDS),) float. A pair of neighbours has the higher edge of the two; those with different
        labels are the outline. Its mean less that of all pairs, times the square root of its length, as a
        mean is compared with what chance would give; 0 where there is no outline.
    """
    if not len(walked.maps) or edge.size == 1:
        return np.zeros(len(THRESHOLDS))
    highest, label = walked.maps.max(axis=0), walked.maps.argmax(axis=0)
    lows, highs, edges = [], [], []
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        one, other = highest[first], highest[second]
        # Two classes side by side differ until both are background; two pixels of one class while one is.
        same = label[first] == label[second]
        lows.append(np.where(same, np.minimum(one, other), -1).ravel())
        highs.append(np.maximum(one, other).ravel())
        edges.append(np.maximum(edge[first], edge[second]).ravel())
    low, high, pairs = np.concatenate(lows), np.concatenate(highs), np.concatenate(edges)
    above_mean = pairs - pairs.mean(dtype=np.float64)
    (all_high, high_sum), (all_low, low_sum) = _above(high, above_mean), _above(low, above_mean)
    return (high_sum - low_sum) / np.sqrt(np.maximum(all_high - all_low, 1))


def _above(
    values: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each threshold the number of values above it, and the sum of their weights."""
    order = np.argsort(values)
    below = np.searchsorted(values[order], THRESHOLDS, side="right")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    return len(values) - below, sums[-1] - sums[below]
