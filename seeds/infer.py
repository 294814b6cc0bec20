"""Seeds from a trained network: maps over scales and flips, published at stride 4."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seeds.contract import MapKind
from seeds.fuse import fuse_foreground, normalize
from seeds.threshold import image_specific_thresholds
from wsss.artifacts import grid_of, write_seed
from wsss.datasets import DataSet
from wsss.distributed import shard
from wsss.images import normalize_image, read_image
from wsss.progress import track

_AMP = {None: None, "bf16": torch.bfloat16, "fp16": torch.float16}
# Images that are read while the network works: a decoded image takes under a megabyte.
_AHEAD = 4


@torch.no_grad()
def multi_scale_maps(
    network: Any,
    image: Tensor,
    *,
    scales: Sequence[float],
    flip: bool,
    channels: Sequence[int] | None = None,
    amp: torch.dtype | None = None,
) -> Tensor:
    """Sum of a network's maps over scales and flips.

    An image and its flip pass the network as one batch. For foreground maps, tail and classifier are not
    run: see `seeds.model.BASNet.seed_maps`.

    Args:
        network: has ``seed_maps(image) -> (B, C, h, w)``; in evaluation mode.
        image: (1, 3, H, W) float, normalized, on the network's device.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        channels: which of the C maps to return; None: all.
        amp: type of automatic mixed precision; None: none.

    Returns:
        (len(channels), (H-1)//4+1, (W-1)//4+1) float32 >= 0 on the network's device.

    Raises:
        ValueError: no scale.
    """
    if not scales:
        raise ValueError("expected at least one scale, got none: correct 'infer.scales'")
    height, width = image.shape[2:]
    size = grid_of((height, width))
    total = torch.zeros(1, device=image.device)
    for scale in scales:
        scaled = (max(round(height * scale), 1), max(round(width * scale), 1))
        batch = image if scale == 1 else F.interpolate(image, scaled, mode="bilinear", align_corners=False)
        batch = (torch.cat([batch, batch.flip(3)]) if flip else batch).to(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, dtype=amp, enabled=amp is not None):
            maps = network.seed_maps(batch)
        maps = maps if channels is None else maps[:, list(channels)]
        maps = F.interpolate(maps.float(), size, mode="bilinear", align_corners=False)
        total = total + (maps[0] + maps[1].flip(2) if flip else maps[0])
    return total


def write_seeds(
    network: torch.nn.Module,
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    out_dir: Path,
    settings: Mapping[str, Any],
    kind: MapKind = "class",
) -> None:
    """Write the seed of each image without one: maps of its tags, each divided by (its maximum + 1e-5).

    A class-agnostic map is published as it is, as ``foreground``. Where it is the only map, it is also the
    class map of images with exactly one tag; images with more have no class maps.

    Args:
        network: in any mode; a `seeds.methods.Predictor`.
        dataset: where images and tags are.
        image_ids: images to write seeds of.
        out_dir: takes one ``ID.npz`` per image.
        settings: the config's ``infer``.
        kind: what the network's maps are: one per class, one class-agnostic, or both (the latter last).
    """
    network.eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = next(network.parameters()).device
    todo = [image_id for image_id in shard(image_ids) if not (out_dir / f"{image_id}.npz").is_file()]
    for image_id, image in track(_read_ahead(dataset, todo), "write seeds", total=len(todo)):
        tensor = normalize_image(image, device)[None]
        labels, maps, foreground = _seed_maps(network, tensor, dataset.tags(image_id), settings, kind)
        thresholds = None
        if settings.get("image_specific"):
            scale = settings["scales"][0]
            size = tuple(max(round(side * scale), 1) for side in image.shape[:2])
            thresholds = image_specific_thresholds(
                network,
                F.interpolate(tensor, size, mode="bilinear", align_corners=False),
                maps,
                labels,
                fallback=settings["threshold"],
            ).numpy()
        write_seed(
            out_dir / f"{image_id}.npz",
            classes=np.array(labels, np.uint8),
            maps=maps.cpu().numpy(),
            size=(image.shape[0], image.shape[1]),
            thresholds=thresholds,
            foreground=None if foreground is None else foreground.cpu().numpy(),
            logits=image_logits(network, tensor, settings).cpu().numpy() if settings["logits"] else None,
        )


@torch.no_grad()
def image_logits(network: Any, image: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Logits (C,) float32 of an image (1, 3, H, W) at its own size, the mean with its flip's where set."""
    amp = _AMP[settings["amp"]]
    batch = torch.cat([image, image.flip(3)]) if settings["flip"] else image
    with torch.autocast(image.device.type, dtype=amp, enabled=amp is not None):
        logits: Tensor = network.logits(batch.to(memory_format=torch.channels_last))
    return logits.float().mean(dim=0)


def _seed_maps(
    network: Any, image: Tensor, labels: Sequence[int], settings: Mapping[str, Any], kind: MapKind
) -> tuple[Sequence[int], Tensor, Tensor | None]:
    """What is published of an image.

    Returns:
        (labels of the maps, the maps (K, h, w) fused and normalized, the class-agnostic map (h, w) or None).
    """
    fuse, scales, flip = settings.get("fuse"), settings["scales"], settings["flip"]
    channels = {"class": [label - 1 for label in labels], "agnostic": [-1]}.get(kind)
    total = multi_scale_maps(
        network,
        image,
        scales=scales,
        flip=flip,
        channels=[*(label - 1 for label in labels), -1] if channels is None else channels,
        amp=_AMP[settings["amp"]],
    )
    if kind == "class":
        return labels, normalize(total), None
    mean = total / (len(scales) * (2 if flip else 1))
    foreground = mean[-1].clamp(0, 1)
    if kind == "agnostic":
        labels = labels if len(labels) == 1 else ()
        return labels, normalize(total[: len(labels)]), foreground
    maps = total[:-1] if fuse is None else fuse_foreground(mean[:-1], mean[-1], how=fuse)
    return labels, normalize(maps), foreground


def _read_ahead(dataset: DataSet, image_ids: Sequence[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Read images in a thread while the network works; decoding does not hold the interpreter's lock."""
    waiting: deque[tuple[str, Future[NDArray[np.uint8]]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for image_id in image_ids:
            waiting.append((image_id, pool.submit(read_image, dataset.image_path(image_id))))
            if len(waiting) > _AHEAD:
                first, image = waiting.popleft()
                yield first, image.result()
        for image_id, image in waiting:
            yield image_id, image.result()
