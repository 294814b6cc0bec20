"""Edges of a few images while a network is trained, for TensorBoard."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from refine.model import IRNet
from wsss.images import denormalize_image
from wsss.live import strip
from wsss.report.layers import Layer


def draw_edges(network: IRNet, batch: Mapping[str, Tensor]) -> Iterator[NDArray[np.uint8]]:
    """Each image with its confident label and its edges.

    Args:
        network: finds edges.
        batch: ``image`` (B, 3, H, W) float, normalized; ``label`` (B, H/4, W/4) uint8.
    """
    device = next(network.parameters()).device
    edges = network.edge_logit(batch["image"].to(device)).sigmoid().float().cpu()
    for image, label, edge in zip(batch["image"], batch["label"], edges, strict=True):
        picture = denormalize_image(image)
        size = picture.shape[1::-1]
        labels = cv2.resize(label.numpy(), size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        yield strip(
            picture, [Layer("label", "labels", labels), Layer("edges", "heat", edge.squeeze(0).numpy())]
        )
