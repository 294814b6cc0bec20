"""Seeds from a trained network: maps over scales and flips, published at stride 4."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seeds.dataset import IMAGENET_MEAN, IMAGENET_STD
from seeds.fuse import How, fuse_foreground, normalize
from wsss.artifacts import write_seed
from wsss.datasets import DataSet
from wsss.distributed import shard
from wsss.images import read_image
from wsss.progress import track


@torch.no_grad()
def multi_scale_maps(
    network: Any, image: NDArray[np.uint8], *, scales: Sequence[float], flip: bool
) -> Tensor:
    """Sum of a network's maps over scales and flips.

    Args:
        network: has ``seed_maps(image) -> (B, C, h, w)``; in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.

    Returns:
        (C, (H-1)//4+1, (W-1)//4+1) float >= 0 on the CPU.
    """
    device = next(network.parameters()).device
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(3, 1, 1)
    tensor = torch.from_numpy(image).to(device).permute(2, 0, 1).float().div(255).sub(mean).div(std)[None]
    height, width = image.shape[:2]
    size = ((height - 1) // 4 + 1, (width - 1) // 4 + 1)
    total: Tensor | None = None
    for scale in scales:
        scaled = (max(round(height * scale), 1), max(round(width * scale), 1))
        batch = tensor if scale == 1 else F.interpolate(tensor, scaled, mode="bilinear", align_corners=False)
        maps = network.seed_maps(torch.cat([batch, batch.flip(3)]) if flip else batch)
        maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        summed = maps[0] + maps[1].flip(2) if flip else maps[0]
        total = summed if total is None else total + summed
    if total is None:
        raise ValueError("expected at least one scale, got none: correct 'infer.scales'")
    return total.cpu()


def write_seeds(
    network: torch.nn.Module,
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    out_dir: Path,
    scales: Sequence[float],
    flip: bool,
    fuse: How | None = None,
) -> None:
    """Write the seed of each image without one: maps of its tags, each divided by (its maximum + 1e-5).

    Args:
        network: in any mode; a `BASNet` or `CAMNet`.
        dataset: where images and tags are.
        image_ids: images to write seeds of.
        out_dir: takes one ``ID.npz`` per image.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        fuse: how the network's last map, the class-agnostic one, lowers the others; None: there is none.
    """
    network.eval()
    todo = [image_id for image_id in shard(image_ids) if not (out_dir / f"{image_id}.npz").is_file()]
    for image_id in track(todo, "write seeds"):
        image = read_image(dataset.image_path(image_id))
        tags = np.array(dataset.tags(image_id), np.uint8)
        total = multi_scale_maps(network, image, scales=scales, flip=flip)
        maps = total[torch.from_numpy(tags.astype(np.int64)) - 1]
        if fuse is not None:
            mean = 1 / (len(scales) * (2 if flip else 1))
            maps = fuse_foreground(maps * mean, total[-1] * mean, how=fuse)
        write_seed(
            out_dir / f"{image_id}.npz",
            classes=tags,
            maps=normalize(maps).numpy(),
            size=(image.shape[0], image.shape[1]),
        )
