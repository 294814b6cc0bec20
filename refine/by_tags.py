"""Settings of masks chosen without ground truth, from the threshold that the tags chose for the seeds."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from refine.class_maps import read_class_maps
from wsss.artifacts import Artifact, Seed
from wsss.datasets import DataSet
from wsss.evaluate import THRESHOLDS
from wsss.images import read_image
from wsss.log import logger
from wsss.progress import track
from wsss.scored import spread
from wsss.stage import Job
from wsss.thresholds import BY_TAGS, TAGS, Threshold

# Where the settings of the authors of BAS expect the threshold of seeds: at their background score, between
# their thresholds for confident labels.
HOME = 0.22
FOREGROUND, BACKGROUND, POWER = 0.30, 0.17, 1.5
BY_CONTRAST = "colour contrast of the seeds over the images, without ground truth"
BY_EDGES = "learned edges along the outlines of the masks, without ground truth"
# Name in the manifest -> table and key of the setting.
_PLACES = {
    "confident_foreground": ("labels", "foreground_threshold"),
    "confident_background": ("labels", "background_threshold"),
    "seed_power": ("infer", "seed_power"),
}
# Images that a threshold is chosen on.
_IMAGES = 100


def seed_threshold(seeds: Artifact, dataset: DataSet) -> Threshold:
    """The threshold of published seeds, without ground truth.

    It is the one that the stage seeds chose with ``infer.threshold="tags"``, which asks its network. Imported
    seeds come without a network, and others may have a fixed threshold: for them it is the one at which
    foreground and background differ most in colour.

    Args:
        seeds: the published seeds.
        dataset: where images and tags are.
    """
    published = Threshold.of_json(seeds.manifest.get("thresholds", {}).get("seed_fixed"))
    if published is not None and published.chosen_by.startswith(BY_TAGS):
        return published
    total = np.zeros(len(THRESHOLDS))
    for image_id in track(spread(seeds.ids, _IMAGES), "threshold of the seeds"):
        seed = read_class_maps(seeds.file(image_id), dataset.tags(image_id))
        if len(seed.maps):
            total += color_contrasts(read_image(dataset.image_file(image_id)), seed.maps.max(axis=0))
    return Threshold(float(THRESHOLDS[int(total.argmax())]), BY_CONTRAST)


def color_contrasts(image: NDArray[np.uint8], soft_map: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of an image's variance of colour that lies between foreground and background.

    Args:
        image: (H, W, 3) uint8 RGB.
        soft_map: (h, w) float in [0, 1], at stride 4.

    Returns:
        (len(THRESHOLDS),) float in [0, 1]: with the pixels above each threshold as foreground.

    Source: the region term of Chan and Vese, IEEE Transactions on Image Processing 10(2), 2001, on CIELAB.
    """
    small = cv2.resize(image, soft_map.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    color = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    color -= color.mean(axis=0)
    total = float((color**2).sum())
    order = np.argsort(soft_map, axis=None)
    # Sums of the colours from the highest value of the map down: each threshold cuts the list at one place.
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(color[order[::-1]], axis=0)])
    above = len(order) - np.searchsorted(soft_map.flatten()[order], THRESHOLDS, side="right")
    below = len(order) - above
    # Colours sum to 0, so both means follow from one sum.
    between = (sums[above] ** 2).sum(axis=1) * (1 / np.maximum(above, 1) + 1 / np.maximum(below, 1))
    return np.where((above == 0) | (below == 0) | (total == 0), 0, between / max(total, 1e-12))


def resolve(job: Job) -> tuple[Job, dict[str, Threshold]]:
    """Put numbers in place of "tags" in the settings of confident labels and of the walk.

    A power brings the threshold of the seeds to where the authors' settings expect it; these settings then
    hold for the maps to that power. Written for the maps as they are, thresholds take the inverse power.

    Args:
        job: with "tags" in any of ``labels.foreground_threshold``, ``labels.background_threshold``,
            ``infer.seed_power``.

    Returns:
        The job with numbers, and these by their names in the manifest.
    """
    asked = [entry for entry, (table, key) in _PLACES.items() if job.config[table][key] == TAGS]
    if not asked:
        return job, {}
    base = _base(job)
    power = power_of(base)
    values = {
        "confident_foreground": FOREGROUND ** (1 / power),
        "confident_background": BACKGROUND ** (1 / power),
        "seed_power": POWER * power,
    }
    found = {entry: Threshold(round(values[entry], 4), f"from the seeds' {base}") for entry in asked}
    config = copy.deepcopy(job.config)
    for entry, threshold in found.items():
        table, key = _PLACES[entry]
        config[table][key] = threshold.value
    return dataclasses.replace(job, settings=dataclasses.replace(job.settings, config=config)), found


def _base(job: Job) -> Threshold:
    """The threshold of the maps that the method starts from."""
    labels = job.config.labels
    if labels.image_specific:
        return Threshold(labels.calibrated_to, BY_TAGS)
    return seed_threshold(job.inputs["seeds"], job.dataset)


def power_of(threshold: Threshold) -> float:
    """The power that brings a threshold of seeds to `HOME`."""
    return math.log(HOME) / math.log(min(max(threshold.value or HOME, 0.01), 0.99))


def score_of_edges(
    image_ids: Sequence[str], *, read: Callable[[str], tuple[Seed, NDArray[np.float32]]]
) -> Threshold:
    """The background score at which the outlines of the masks follow the learned edges best.

    The walk stops at edges, so that walked maps fall where objects end. Too low a score lets masks end in the
    background, too high a one inside of objects, and there are few edges in either.

    Args:
        image_ids: images that are walked; at most 100 of them, spread over the list, are looked at.
        read: gives the walked seed of an image id, and its edges, (h, w) in [0, 1].

    Returns:
        The score, and that the edges chose it; the authors' .22 where no outline has more than chance gives.
    """
    total = np.zeros(len(THRESHOLDS))
    for image_id in track(spread(image_ids, _IMAGES), "background score"):
        total += edges_of_outlines(*read(image_id))
    if not (total > 1e-6).any():
        logger.warning("no outline of a mask follows the edges: the background score is %.2f", HOME)
        return Threshold(HOME, f"{BY_EDGES}; none follows them")
    return Threshold(float(THRESHOLDS[int(total.argmax())]), BY_EDGES)


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
    if not len(walked.maps):
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
    length = _above(high) - _above(low)
    excess = _above(high, above_mean) - _above(low, above_mean)
    return excess / np.sqrt(np.maximum(length, 1))


def _above(values: NDArray[np.float32], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """For each threshold the number of values above it, or the sum of their weights."""
    order = np.argsort(values)
    each = np.ones(len(values)) if weights is None else weights[order]
    sums = np.concatenate([[0.0], np.cumsum(each)])
    return sums[-1] - sums[np.searchsorted(values[order], THRESHOLDS, side="right")]
