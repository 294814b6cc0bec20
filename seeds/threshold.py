"""Image-specific thresholds: chosen by the network itself, without ground truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seeds.losses import background_share

THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.05, 1.0, 0.05), 2))
# Masks that pass the network's tail together; 16 is the batch of a training step, so memory that sufficed
# there suffices here.
_BATCH = 16


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
    if len(maps) != len(labels):
        raise ValueError(f"expected a label for each of {len(maps)} maps, got {len(labels)}")
    features = network.extract(image)
    whole = network.classify(features).mean(dim=(2, 3))[0]
    maps = maps.to(features.device, features.dtype)
    small = F.interpolate(maps[None], features.shape[2:], mode="bilinear", align_corners=False)[0]
    steps = torch.tensor(grid, device=small.device, dtype=small.dtype)
    chosen = torch.full((len(maps),), fallback)
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
        score = background_share(logit.expand_as(rest), rest) + masks.mean(dim=(1, 2))
        chosen[index] = grid[int(score.argmin())]
    return chosen
