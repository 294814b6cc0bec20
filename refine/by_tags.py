"""Settings of masks chosen without ground truth, from the threshold that the tags chose for the seeds."""

from __future__ import annotations

import copy
import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from refine.class_maps import read_class_maps
from wsss.artifacts import Artifact
from wsss.datasets import DataSet
from wsss.evaluate import THRESHOLDS
from wsss.images import read_image
from wsss.progress import track
from wsss.scored import spread
from wsss.stage import Job
from wsss.thresholds import BY_TAGS, TAGS, Threshold

# Where the settings of the authors of BAS expect the threshold of seeds: at their background score, between
# their thresholds for confident labels.
HOME = 0.22
FOREGROUND, BACKGROUND, POWER = 0.30, 0.17, 1.5
BY_CONTRAST = "colour contrast of the seeds over the images, without ground truth"
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
