"""Masks from a trained IRNet: edges, the walk of the seeds between them, and a background score."""

from __future__ import annotations

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

from refine.dataset import normalise_image
from refine.model import STRIDE, IRNet, edge_of_image
from refine.walk import random_walk
from wsss.artifacts import Artifact, Seed, atomic_write, read_seed, write_mask, write_seed
from wsss.datasets import DataSet
from wsss.errors import ArtifactError
from wsss.images import read_image
from wsss.progress import track

WALK = "walk"
EDGE = "edge"


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


def mask_of_scores(scores: WalkScores, *, background_score: float) -> NDArray[np.uint8]:
    """Label each pixel with the class that beats the background score.

    Args:
        scores: the walked seeds of an image.
        background_score: in [0, 1], against scores whose maximum over all classes and pixels is 1.

    Returns:
        (H, W) uint8, 0 background, 1..C classes.
    """
    maps = scores.upsample()
    ground = np.full((1, *scores.size), background_score, np.float32)
    labels = np.concatenate([[0], scores.classes]).astype(np.uint8)
    return labels[np.concatenate([ground, maps]).argmax(axis=0)]


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


def write_walks(
    network: IRNet,
    dataset: DataSet,
    seeds: Artifact,
    *,
    image_ids: Sequence[str],
    out_dir: Path,
    settings: Mapping[str, Any],
) -> None:
    """Write edges and walked seeds of each image without them.

    Args:
        network: in evaluation mode.
        dataset: where the images are.
        seeds: the published seeds.
        image_ids: images to walk.
        out_dir: gets ``walk/ID.npz`` (as seeds: float16 at stride 4) and ``edge/ID.png`` (8 bit at stride 4).
        settings: the config's ``infer``.
    """
    device = network.mean_shift.device
    todo = [image_id for image_id in image_ids if not (out_dir / WALK / f"{image_id}.npz").is_file()]
    for image_id in track(todo, "walk"):
        seed = read_seed(seeds.file(image_id))
        image = normalise_image(read_image(dataset.image_path(image_id)))
        edge = edge_of_image(network, image.to(device))
        write_edge(out_dir / EDGE / f"{image_id}.png", edge)
        maps = walk_seed(seed, edge, settings)
        write_seed(out_dir / WALK / f"{image_id}.npz", classes=seed.classes, maps=maps, size=seed.size)


def write_edge(path: Path, edge: Tensor) -> None:
    """Write an edge map (1, h, w) in [0, 1] as an 8-bit gray PNG."""
    gray = (edge[0].cpu().numpy() * 255).round().astype(np.uint8)
    with atomic_write(path) as temporary:
        if not cv2.imwrite(str(temporary), gray):
            raise ArtifactError(
                f"expected to write a PNG at {path}, the encoder refused: check the file name"
            )


def write_masks(image_ids: Sequence[str], *, out_dir: Path, background_score: float) -> None:
    """Write the mask of each image without one, from its stored walk."""
    todo = [image_id for image_id in image_ids if not (out_dir / f"{image_id}.png").is_file()]
    for image_id in track(todo, "write masks"):
        scores = read_walk(out_dir / WALK / f"{image_id}.npz")
        write_mask(out_dir / f"{image_id}.png", mask_of_scores(scores, background_score=background_score))
