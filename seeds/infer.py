"""Seeds from a trained network: maps over scales and flips, published at stride 4."""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import ten_crop

from seeds.contract import MapKind
from seeds.fuse import combine, fuse_foreground, normalize, normalize_signed
from seeds.threshold import NO_EVIDENCE, at_scale, image_specific_thresholds
from wsss.artifacts import IGNORE, grid_of, write_seed
from wsss.datasets import DataSet
from wsss.distributed import shard
from wsss.grid import fit_to_grid
from wsss.images import normalize_image, read_image
from wsss.progress import track
from wsss.thresholds import TAGS

_AMP = {None: None, "bf16": torch.bfloat16, "fp16": torch.float16}
# Published classes of localisation come from crops of 224 out of 256.
_TEN_CROPS_OF = 256 / 224
# Folder of the seeds' own folder: class activation maps of the same network, for comparison.
OWN_CAM = "own_cam"
# How maps come to lie on the image: `multi_scale_maps`.
Geometry = Literal["stretch", "irn"]
_IRN_STRIDE = 16
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
    resize: int = 0,
    geometry: Geometry = "stretch",
) -> Tensor:
    """Sum of a network's maps over scales and flips.

    An image and its flip pass the network as one batch. For foreground maps, tail and classifier are not
    run: see `seeds.model.BASNet.seed_maps`.

    "stretch": the maps of each scale are stretched onto the image, whose last cells a network fills only in
    part. "irn": they lie on the image padded to whole multiples of 16, and what is padding is cut off; images
    are scaled by a cubic filter.

    Args:
        network: has ``seed_maps(image) -> (B, C, h, w)``; in evaluation mode.
        image: (1, 3, H, W) float, normalized, on the network's device.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        channels: which of the C maps to return; None: all.
        amp: type of automatic mixed precision; None: none.
        resize: side of the square that scale 1 is; 0: the image as it is.
        geometry: how the maps come to lie on the image.

    Returns:
        float32 >= 0 on the network's device, (len(channels), (H-1)//4+1, (W-1)//4+1) for "stretch" and
        (len(channels), H, W) for "irn".

    Raises:
        ValueError: no scale.

    Source: the authors' code of Ahn et al., CVPR 2019: its ``cam`` are stretched maps at stride 4, which
        walk; its ``high_res``, which are scored and become confident labels, are cut.
    """
    return _sum_over_scales(
        lambda batch: (network.seed_maps(batch),),
        image,
        scales=scales,
        flip=flip,
        channels=[channels],
        amp=amp,
        resize=resize,
        geometry=geometry,
    )[0]


def _sum_over_scales(
    maps_of: Callable[[Tensor], tuple[Tensor, ...]],
    image: Tensor,
    *,
    scales: Sequence[float],
    flip: bool,
    channels: Sequence[Sequence[int] | None],
    amp: torch.dtype | None,
    resize: int = 0,
    geometry: Geometry = "stretch",
) -> list[Tensor]:
    """`multi_scale_maps` of a network that gives several sets of maps at once, with the channels of each."""
    if not scales:
        raise ValueError("expected at least one scale, got none: correct 'infer.scales'")
    height, width = image.shape[2:]
    size = grid_of((height, width)) if geometry == "stretch" else _whole_cells((height, width))
    totals = [torch.zeros(1, device=image.device) for _ in channels]
    for scale in scales:
        batch = _scaled(image, scale, resize, filter="bilinear" if geometry == "stretch" else "bicubic")
        batch = (torch.cat([batch, batch.flip(3)]) if flip else batch).to(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, dtype=amp, enabled=amp is not None):
            sets = maps_of(batch)
        for index, (maps, wanted) in enumerate(zip(sets, channels, strict=True)):
            some = maps if wanted is None else maps[:, list(wanted)]
            some = F.interpolate(some.float(), size, mode="bilinear", align_corners=False)
            totals[index] = totals[index] + (some[0] + some[1].flip(2) if flip else some[0])
    # The flip of an image is padded at its other side, so the sums are cut, not what is summed.
    return totals if geometry == "stretch" else [total[..., :height, :width] for total in totals]


def _whole_cells(size: tuple[int, int]) -> tuple[int, int]:
    """A size (H, W) rounded up to multiples of the stride of IRN's network."""
    height, width = (-(-side // _IRN_STRIDE) * _IRN_STRIDE for side in size)
    return height, width


def _scaled(image: Tensor, scale: float, resize: int, *, filter: str = "bilinear") -> Tensor:
    """An image (1, 3, H, W) at a scale, of its own size or of a square."""
    height, width = (resize, resize) if resize else image.shape[2:]
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    if size == tuple(image.shape[2:]):
        return image
    if filter == "bicubic":  # Pillow's, which antialiases
        return F.interpolate(image, size, mode="bicubic", align_corners=False, antialias=True)
    # Squares are much smaller than photos: without antialiasing most pixels would not count.
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=bool(resize))


def write_seeds(
    network: torch.nn.Module,
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    out_dir: Path,
    settings: Mapping[str, Any],
    kind: MapKind = "class",
    own_cam_of: Collection[str] = (),
) -> None:
    """Write the seed of each image without one: maps of its tags, each divided by (its maximum + 1e-5).

    A class-agnostic map is published as it is, as ``foreground``. Where it is the only map, it is also the
    class map of images with exactly one tag; images with more have no class maps. Of more classes than labels
    of 8 bits can tell apart (ILSVRC), the map of an image's only tag is published as ``foreground`` instead.

    Args:
        network: in any mode; a `seeds.methods.Predictor`.
        dataset: where images and tags are.
        image_ids: images to write seeds of.
        out_dir: takes one ``ID.npz`` per image.
        settings: the config's ``infer``.
        kind: what the network's maps are: `seeds.contract.SeedMethod.map_kind`.
        own_cam_of: images whose class activation maps by the network's own classifier are written too, as
            ``own_cam/ID.npz`` in the form of seeds: it costs these images one more pass of the tail.
    """
    network.eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = next(network.parameters()).device
    compared, adds_cam = set(own_cam_of), bool(settings.get("add_own_cam"))
    todo = [
        image_id
        for image_id in shard(image_ids)
        if not (out_dir / f"{image_id}.npz").is_file()
        or (image_id in compared and not (out_dir / OWN_CAM / f"{image_id}.npz").is_file())
    ]
    for image_id, image in track(_read_ahead(dataset, todo), "write seeds", total=len(todo)):
        tags, size = dataset.tags(image_id), (image.shape[0], image.shape[1])
        tensor = normalize_image(image, device)[None]
        total, own_cam = _sums(
            network, tensor, tags, settings, kind, with_cam=adds_cam or image_id in compared
        )
        labels, maps, foreground, outside = _seed_maps(total, tags, settings, kind)
        if adds_cam and own_cam is not None:
            maps = combine([maps, own_cam])
        if len(dataset.classes) >= IGNORE and len(labels) == 1:
            foreground = maps[0] if foreground is None else foreground
            labels, maps, outside = (), maps[:0], None
        maps = _on_grid(maps, size)
        foreground = None if foreground is None else _on_grid(foreground[None], size)[0]
        thresholds = None
        if settings.get("image_specific"):
            fixed = settings["threshold"]
            thresholds = image_specific_thresholds(
                network,
                at_scale(tensor, settings["scales"][0]),
                maps,
                labels,
                fallback=NO_EVIDENCE if fixed == TAGS else fixed,
            ).numpy()
        write_seed(
            out_dir / f"{image_id}.npz",
            classes=np.array(labels, np.uint8),
            maps=maps.cpu().numpy(),
            size=size,
            thresholds=thresholds,
            foreground=None if foreground is None else foreground.cpu().numpy(),
            logits=image_logits(network, tensor, settings).cpu().numpy() if settings["logits"] else None,
            outside=None if outside is None else outside.cpu().numpy(),
        )
        if own_cam is not None and image_id in compared:
            write_seed(
                out_dir / OWN_CAM / f"{image_id}.npz",
                classes=np.array(tags, np.uint8),
                maps=_on_grid(normalize(own_cam), size).cpu().numpy(),
                size=size,
            )


def _on_grid(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (K, h, w) in [0, 1] at stride 4: full ones become those whose upsampling is closest to them."""
    if not len(maps) or maps.shape[1:] == grid_of(size):
        return maps.reshape(len(maps), *grid_of(size))
    return torch.from_numpy(fit_to_grid(maps.cpu().numpy()).clip(0, 1)).to(maps.device)


@torch.no_grad()
def image_logits(network: Any, image: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """What a network says of an image's classes.

    Args:
        network: has ``logits(image) -> (B, C)``; in evaluation mode.
        image: (1, 3, H, W) float, normalized.
        settings: the config's ``infer``.

    Returns:
        (C,) float32: logits at scale 1, the mean with its flip's where ``flip`` is set. With
        ``ten_crops`` the log of the mean of ten softmaxes: of crops as large as the image at scale 1, at the
        corners and the centre of one 256 / 224 as large, and of their flips.
    """
    amp, resize = _AMP[settings["amp"]], settings.get("resize", 0)
    by_crops = bool(settings.get("ten_crops"))
    if by_crops:
        height, width = (resize, resize) if resize else image.shape[2:]
        size = (round(height * _TEN_CROPS_OF), round(width * _TEN_CROPS_OF))
        larger = F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        batch = torch.cat(ten_crop(larger, [height, width]))
    else:
        image = _scaled(image, 1, resize)
        batch = torch.cat([image, image.flip(3)]) if settings["flip"] else image
    with torch.autocast(image.device.type, dtype=amp, enabled=amp is not None):
        logits: Tensor = network.logits(batch.to(memory_format=torch.channels_last))
    logits = logits.float()
    if not by_crops:
        return logits.mean(dim=0)
    # Not the log of a mean of shares: a share below 1e-38 would be 0, and its log no number to publish.
    return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))


@torch.no_grad()
def _sums(
    network: Any,
    image: Tensor,
    tags: Sequence[int],
    settings: Mapping[str, Any],
    kind: MapKind,
    *,
    with_cam: bool,
) -> tuple[Tensor, Tensor | None]:
    """Sums over scales and flips: seed maps of the tags, with the class-agnostic one last, and their CAM."""
    of_tags = [tag - 1 for tag in tags]
    channels = {"both": [*of_tags, -1], "agnostic": [-1]}.get(kind, of_tags)
    maps_of = network.signed_maps if kind == "signed" else network.seed_maps
    totals = _sum_over_scales(
        network.maps_and_cam if with_cam else lambda batch: (maps_of(batch),),
        image,
        scales=settings["scales"],
        flip=settings["flip"],
        channels=[channels, of_tags] if with_cam else [channels],
        amp=_AMP[settings["amp"]],
        resize=settings.get("resize", 0),
        geometry=settings.get("geometry", "stretch"),
    )
    return totals[0], totals[1] if with_cam else None


def _seed_maps(
    total: Tensor, tags: Sequence[int], settings: Mapping[str, Any], kind: MapKind
) -> tuple[Sequence[int], Tensor, Tensor | None, Tensor | None]:
    """What is published of the sums of an image's maps.

    Returns:
        (labels of the maps, the maps (K, h, w) fused and normalized, the class-agnostic map (h, w) or None,
        for signed maps what lies below 0 (K, h, w), else None).
    """
    if kind == "class":
        return tags, normalize(total), None, None
    if kind == "signed":
        inside, outside = normalize_signed(total)
        return tags, inside, None, outside
    mean = total / (len(settings["scales"]) * (2 if settings["flip"] else 1))
    foreground, fuse = mean[-1].clamp(0, 1), settings.get("fuse")
    if kind == "agnostic":
        labels = tags if len(tags) == 1 else ()
        return labels, normalize(total[: len(labels)]), foreground, None
    maps = total[:-1] if fuse is None else fuse_foreground(mean[:-1], mean[-1], how=fuse)
    return tags, normalize(maps), foreground, None


def _read_ahead(dataset: DataSet, image_ids: Sequence[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Read images in a thread while the network works; decoding does not hold the interpreter's lock."""
    waiting: deque[tuple[str, Future[NDArray[np.uint8]]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for image_id in image_ids:
            waiting.append((image_id, pool.submit(read_image, dataset.image_file(image_id))))
            if len(waiting) > _AHEAD:
                first, image = waiting.popleft()
                yield first, image.result()
        for image_id, image in waiting:
            yield image_id, image.result()
