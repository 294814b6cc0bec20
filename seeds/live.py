"""Maps of a few images while a network is trained, for TensorBoard."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wsss.images import denormalize_image
from wsss.live import strip
from wsss.report.layers import Layer

_MOST = 3  # classes of an image


def draw_maps(network: Any, batch: Mapping[str, Tensor]) -> Iterator[NDArray[np.uint8]]:
    """Each image with the maps of its classes, and the class-agnostic one, each over its own maximum.

    Args:
        network: has ``seed_maps`` (`seeds.contract.Predictor`).
        batch: ``image`` (B, 3, H, W) float, normalized; ``tags`` (B, C). Without tags nothing is drawn.
    """
    if "tags" not in batch:
        return
    device = next(network.parameters()).device
    every = network.seed_maps(batch["image"].to(device)).float().cpu()
    for image, tags, maps in zip(batch["image"], batch["tags"], every, strict=True):
        classes = len(tags)
        tagged = tags.nonzero().flatten().tolist()[:_MOST] if len(maps) >= classes else []
        agnostic = range(classes if len(maps) >= classes else 0, len(maps))
        shown = [(maps[one] / maps[one].max().clamp(min=1e-6)).clamp(0, 1) for one in [*tagged, *agnostic]]
        yield strip(denormalize_image(image), [Layer("map", "heat", one.numpy()) for one in shown])
