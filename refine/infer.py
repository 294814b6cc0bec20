"""Masks from a trained IRNet: edges, the walk of the seeds between them, and a background score."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from refine.labels import decide, read_seed_as_set
from refine.model import IRNet, edge_of_image
from refine.outlines import score_of_outlines
from refine.walk import random_walk
from wsss.artifacts import (
    IGNORE,
    STRIDE,
    Artifact,
    Seed,
    atomic_write,
    grid_of,
    read_seed,
    write_mask,
    write_seed,
)
from wsss.datasets import DataSet
from wsss.errors import ArtifactError, DataError
from wsss.images import ImageFile, normalize_image, read_image
from wsss.limits import UNREADABLE, open_picture
from wsss.processes import map_images
from wsss.progress import track

WALK = "walk"
EDGE = "edge"
_WHITE = 65535


@dataclasses.dataclass(frozen=True)
class WalkScores(Seed):
    """Seeds after the walk, stored as seeds are, and divided by their maximum when upsampled."""

    def upsample(self) -> NDArray[np.float32]:
        """Scores at the size of the image: (K, H, W) float32 in [0, 1], the largest of all classes is 1.

        Bilinear by a factor of 4, then cut to the image, as the authors do; `Seed.upsample` fits the size
        instead.
        """
        height, width = self.size
        if not len(self.maps):
            return np.zeros((0, height, width), np.float32)
        full = F.interpolate(
            torch.from_numpy(self.maps)[None], scale_factor=STRIDE, mode="bilinear", align_corners=False
        )[0, :, :height, :width]
        return (full / full.max().clamp_min(torch.finfo(torch.float32).tiny)).numpy()


def read_walk(path: str | Path) -> WalkScores:
    """Read the walked seeds of one image.

    Raises:
        ArtifactError: the file is absent, damaged, or breaks the contract of seeds.
    """
    seed = read_seed(path)
    return WalkScores(seed.classes, seed.maps, seed.size)


def read_walk_and_edge(folder: Path, image_id: str) -> tuple[WalkScores, NDArray[np.float32]]:
    """The walked seeds of an image and the edges (h, w) that they walked between, from a folder of masks.

    Raises:
        ArtifactError: either is absent or damaged.
    """
    scores = read_walk(folder / WALK / f"{image_id}.npz")
    return scores, read_edge(folder / EDGE / f"{image_id}.png", grid_of(scores.size))[0].numpy()


def mask_of_scores(
    scores: WalkScores,
    *,
    background_score: float,
    unsure_margin: float = 0.0,
    image: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Label each pixel with the class that beats the background score.

    Args:
        scores: the walked seeds of an image.
        background_score: in [0, 1], against scores whose maximum over all classes and pixels is 1.
        unsure_margin: pixels whose label differs between ``background_score`` less and plus this are unsure.
        image: (H, W, 3) uint8 RGB to pass every decision through a dense CRF; None: no CRF.

    Returns:
        (H, W) uint8, 0 background, 1..C classes, 255 unsure.
    """
    maps = scores.upsample()
    if not unsure_margin:
        return decide(maps, scores.classes, threshold=background_score, image=image)
    strict = decide(maps, scores.classes, threshold=min(background_score + unsure_margin, 1), image=image)
    lenient = decide(maps, scores.classes, threshold=max(background_score - unsure_margin, 0), image=image)
    return np.where(strict == lenient, strict, IGNORE).astype(np.uint8)


def walk_seed(seed: Seed, edge: Tensor, settings: Mapping[str, Any]) -> NDArray[np.float32]:
    """Let the maps of an image walk between its edges.

    Args:
        seed: the soft maps.
        edge: (1, h, w) float in [0, 1] at stride 4.
        settings: ``seed_power``, ``radius``, ``beta``, ``steps``.

    Returns:
        (K, h, w) float32 in [0, 1], the largest is 1 (all 0 where the seed is).
    """
    maps = torch.from_numpy(seed.maps).to(edge.device) ** settings["seed_power"]
    walked = random_walk(
        maps, edge, radius=settings["radius"], beta=settings["beta"], steps=settings["steps"]
    ).clamp_min(0)
    return (
        (walked / walked.max().clamp_min(torch.finfo(torch.float32).tiny) if len(walked) else walked)
        .cpu()
        .numpy()
    )


def write_edges(
    network: IRNet,
    dataset: DataSet,
    *,
    image_ids: Sequence[str],
    out_dir: Path,
    pad_to: int | None = None,
) -> int:
    """Write the edges of each image without them: ``ID.png``, 16 bit gray at stride 4.

    Args:
        network: in evaluation mode.
        dataset: where the images are.
        image_ids: images to run.
        out_dir: gets the files.
        pad_to: as in `refine.model.edge_of_image`.

    Returns:
        How many were written.
    """
    device = network.mean_shift.device
    todo = [image_id for image_id in image_ids if not (out_dir / f"{image_id}.png").is_file()]
    for image_id in track(todo, "edges"):
        image = normalize_image(read_image(dataset.image_file(image_id))).contiguous()
        edge = edge_of_image(network, image.to(device), pad_to=pad_to)
        write_edge(out_dir / f"{image_id}.png", edge)
    return len(todo)


def write_edge(path: Path, edge: Tensor) -> None:
    """Write an edge map (1, h, w) in [0, 1] as a 16-bit gray PNG."""
    # 8 bits would do for the eye, but beta raises an error of 1/510 to 2 % of an affinity.
    gray = (edge[0].cpu().numpy().astype(np.float64) * _WHITE).round().astype(np.uint16)
    with atomic_write(path) as temporary:
        if not cv2.imwrite(str(temporary), gray):
            raise ArtifactError(
                f"expected to write a PNG at {path}, the encoder refused: check the file name"
            )


def read_edge(path: Path, size: tuple[int, int]) -> Tensor:
    """Read an edge map.

    Args:
        path: what `write_edge` wrote, or 8 bit.
        size: (h, w) that it must have.

    Returns:
        (1, h, w) float32 in [0, 1].

    Raises:
        ArtifactError: the file is absent, damaged or of another size.
    """
    gray = None
    # The header first: OpenCV would decode a file of any size.
    with contextlib.suppress(DataError, *UNREADABLE), open_picture(path):
        gray = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if gray is None or gray.shape != size or gray.dtype not in (np.uint8, np.uint16):
        found = "no image" if gray is None else f"{gray.dtype} {gray.shape}"
        raise ArtifactError(
            f"expected edges of size {size} as a gray PNG at {path}, got {found}: delete it and run again"
        )
    return torch.from_numpy(gray.astype(np.float32) / (255 if gray.dtype == np.uint8 else _WHITE))[None]


@dataclasses.dataclass(frozen=True)
class _Walk:
    """One image's walk: where from, where to, and how."""

    seed: Path
    tags: Sequence[int]
    edge: Path
    out: Path
    labels: Mapping[str, Any]
    infer: Mapping[str, Any]


def write_walks(
    dataset: DataSet, seeds: Artifact, *, image_ids: Sequence[str], out_dir: Path, config: Mapping[str, Any]
) -> int:
    """Write the walked seeds of each image without them: ``walk/ID.npz``, as seeds are.

    Args:
        dataset: where the tags are.
        seeds: the published seeds.
        image_ids: images to walk.
        out_dir: holds ``edge/ID.png``.
        config: a refine config.

    Returns:
        How many were written.
    """
    labels, infer = dict(config["labels"]), dict(config["infer"])
    tasks = [
        _Walk(
            seeds.file(image_id),
            dataset.tags(image_id),
            out_dir / EDGE / f"{image_id}.png",
            out_dir / WALK / f"{image_id}.npz",
            labels,
            infer,
        )
        for image_id in image_ids
        if not (out_dir / WALK / f"{image_id}.npz").is_file()
    ]
    return sum(map_images(_walk_one, tasks, "walk", num_workers=labels["num_workers"]))


def _walk_one(task: _Walk) -> int:
    seed = read_seed_as_set(task.seed, task.labels, task.tags)
    maps = walk_seed(seed, read_edge(task.edge, grid_of(seed.size)), task.infer)
    write_seed(task.out, classes=seed.classes, maps=maps, size=seed.size)
    return 1


@dataclasses.dataclass(frozen=True)
class _Mask:
    """One image's mask: where from, where to, and how."""

    folder: Path
    image_id: str
    image: ImageFile
    infer: Mapping[str, Any]
    outlines: NDArray[np.float64] | None


def write_masks(
    dataset: DataSet,
    *,
    image_ids: Sequence[str],
    out_dir: Path,
    config: Mapping[str, Any],
    outlines: NDArray[np.float64] | None = None,
) -> int:
    """Write the mask of each image without one, from its stored walk.

    Args:
        dataset: where the images are.
        image_ids: images to label.
        out_dir: holds ``walk/ID.npz`` and ``edge/ID.png``, gets ``ID.png``.
        config: a refine config.
        outlines: mean of `refine.outlines.edges_of_outlines`; each mask then has its own background score.

    Returns:
        How many were written.
    """
    infer = dict(config["infer"])
    tasks = [
        _Mask(out_dir, image_id, dataset.image_file(image_id), infer, outlines)
        for image_id in image_ids
        if not (out_dir / f"{image_id}.png").is_file()
    ]
    return sum(map_images(_mask_one, tasks, "write masks", num_workers=config["labels"]["num_workers"]))


def _mask_one(task: _Mask) -> int:
    if task.outlines is None:
        scores = read_walk(task.folder / WALK / f"{task.image_id}.npz")
        background_score = task.infer["background_score"]
    else:
        scores, edge = read_walk_and_edge(task.folder, task.image_id)
        background_score = score_of_outlines(scores, edge, task.outlines)
    mask = mask_of_scores(
        scores,
        background_score=background_score,
        unsure_margin=task.infer["unsure_margin"],
        image=read_image(task.image) if task.infer["crf"] else None,
    )
    write_mask(task.folder / f"{task.image_id}.png", mask)
    return 1
