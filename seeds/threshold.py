"""Thresholds chosen by the network itself, without ground truth: for each map, or one for all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seeds.losses import background_share
from wsss.artifacts import read_seed
from wsss.datasets import DataSet
from wsss.images import normalize_image, read_image
from wsss.log import logger
from wsss.progress import track
from wsss.scored import spread
from wsss.thresholds import BY_TAGS, Threshold

THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.05, 1.0, 0.05), 2))
# Masks that pass the network's tail together; 16 is the batch of a training step, so memory that sufficed
# there suffices here.
_BATCH = 16
# Images that one threshold for all is chosen on: their mean moves by less than the grid's step with others.
_IMAGES = 100
# The threshold where the network has no evidence to choose one by.
NO_EVIDENCE = 0.5


@torch.no_grad()
def image_specific_thresholds(
    network: Any,
    image: Tensor,
    maps: Tensor,
    labels: Sequence[int],
    *,
    fallback: float,
    grid: Sequence[float] = THRESHOLDS,
) -> Tensor:
    """Find the threshold of each map that explains the class with the smallest area.

    Each map is binarised at each threshold of the grid. The features outside the binary mask pass the
    tail, and the threshold with the smallest L_bas + area of the mask (plain sum) is kept.

    Args:
        network: has ``extract(image)`` and ``classify(features)``; in evaluation mode.
        image: (1, 3, H, W) float, normalized, on the network's device.
        maps: (K, h, w) float in [0, 1], each with maximum 1 as they are published, at any resolution.
        labels: the K classes of the maps, 1..C.
        fallback: threshold of a map whose class has no positive logit: nothing can be suppressed then.
        grid: thresholds to try, in (0, 1).

    Returns:
        (K,) float on the CPU, each out of ``grid`` or ``fallback``.

    Raises:
        ValueError: the number of maps and labels differ.

    Source: Zhai et al., IJCV 2023, Table 15; the network runs with its running statistics, as at inference.
    """
    costs = threshold_costs(network, image, maps, labels, grid=grid)
    chosen = torch.tensor(grid)[costs.argmin(dim=1)] if len(maps) else torch.zeros(0)
    return torch.where(costs.isnan().any(dim=1), torch.full_like(chosen, fallback), chosen)


@torch.no_grad()
def threshold_costs(
    network: Any, image: Tensor, maps: Tensor, labels: Sequence[int], *, grid: Sequence[float] = THRESHOLDS
) -> Tensor:
    """L_bas + area of each map, binarised at each threshold of a grid; arguments as above.

    Returns:
        (K, len(grid)) float32 in [0, 2] on the CPU; nan for a map whose class has no positive logit.

    Raises:
        ValueError: the number of maps and labels differ.
    """
    if len(maps) != len(labels):
        raise ValueError(f"expected a label for each of {len(maps)} maps, got {len(labels)}")
    costs = torch.full((len(maps), len(grid)), torch.nan)
    if not len(maps):
        return costs
    features = network.extract(image)
    whole = network.classify(features).mean(dim=(2, 3))[0]
    maps = maps.to(features.device, features.dtype)
    small = F.interpolate(maps[None], features.shape[2:], mode="bilinear", align_corners=False)[0]
    steps = torch.tensor(grid, device=small.device, dtype=small.dtype)
    for index, label in enumerate(labels):
        logit = whole[label - 1]
        if logit <= 0:
            continue
        masks = (small[index] > steps[:, None, None]).to(features.dtype)
        rest = torch.cat(
            [
                network.classify(features * (1 - batch[:, None])).mean(dim=(2, 3))[:, label - 1]
                for batch in masks.split(_BATCH)
            ]
        )
        costs[index] = (background_share(logit.expand_as(rest), rest) + masks.mean(dim=(1, 2))).cpu()
    return costs


def threshold_of_tags(
    network: Any, dataset: DataSet, image_ids: Sequence[str], *, folder: Path, scale: float
) -> Threshold:
    """Choose one threshold for all seeds without ground truth: that of the least mean L_bas + area.

    It is what the image-specific thresholds minimise map by map, averaged over maps first: a network errs on
    single images, and much less on their mean. The least value on the grid is refined by a parabola through
    its neighbours.

    Args:
        network: has ``extract(image)`` and ``classify(features)``; in evaluation mode.
        dataset: where the images are.
        image_ids: images with a seed; at most 100 of them, spread over the list, are looked at.
        folder: holds ``ID.npz``.
        scale: of the images, as for the seeds.

    Returns:
        The threshold, and that the tags chose it. 0.5 where the network sees none of the tags.
    """
    device = next(network.parameters()).device
    costs = torch.zeros(len(THRESHOLDS), dtype=torch.float64)
    for image_id in track(spread(image_ids, _IMAGES), "threshold from tags"):
        seed = read_seed(folder / f"{image_id}.npz")
        image = at_scale(normalize_image(read_image(dataset.image_file(image_id)), device)[None], scale)
        costs += threshold_costs(network, image, torch.from_numpy(seed.maps), seed.classes.tolist()).nansum(0)
    if not costs.any():
        logger.warning("the network sees none of the tags: the threshold of the seeds is %.2f", NO_EVIDENCE)
        return Threshold(NO_EVIDENCE, f"{BY_TAGS}; the network sees none of them")
    return Threshold(round(lowest_point(THRESHOLDS, costs.tolist()), 3), BY_TAGS)


def lowest_point(places: Sequence[float], values: Sequence[float]) -> float:
    """Where a sampled curve is lowest, by a parabola through the lowest sample and its two neighbours.

    >>> lowest_point([0.0, 1.0, 2.0, 3.0], [1.44, 0.04, 0.64, 3.24])
    1.2
    """
    at = int(np.argmin(values))
    if at in (0, len(values) - 1):
        return places[at]
    before, low, after = values[at - 1 : at + 2]
    bend = before - 2 * low + after
    shift = 0.0 if bend <= 0 else (before - after) / (2 * bend)
    return round(places[at] + shift * (places[at + 1] - places[at]), 12)


def at_scale(image: Tensor, scale: float) -> Tensor:
    """An image (1, 3, H, W), resized by a factor."""
    size = [max(round(side * scale), 1) for side in image.shape[2:]]
    return F.interpolate(image, size, mode="bilinear", align_corners=False)
