"""Seeds put together: class maps with a class-agnostic foreground map, and the seeds of several methods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsss.artifacts import Artifact, read_seed, write_seed
from wsss.distributed import shard
from wsss.errors import ArtifactError, ConfigError
from wsss.progress import track

How = Literal["average", "replace"]
Maps = TypeVar("Maps", Tensor, NDArray[np.floating])


def fuse_foreground(class_maps: Maps, foreground: Maps, *, how: How = "average") -> Maps:
    """Lower class maps where they are above the class-agnostic foreground map.

    Args:
        class_maps: (K, h, w) float in [0, 1], array or tensor, averaged over scales and flips.
        foreground: (h, w) float in [0, 1], averaged likewise.
        how: "replace" takes the foreground map there, "average" the mean of both.

    Returns:
        (K, h, w) float in [0, 1], not yet divided by the maxima.

    Raises:
        ConfigError: ``how`` is unknown.
        ValueError: the shapes do not fit.

    Source: Zhai et al., IJCV 2023, section 5.5 ("average" is their best).

    >>> fuse_foreground(np.array([[[0.2, 0.8]]]), np.array([[0.6, 0.4]]))
    array([[[0.2, 0.6]]])
    """
    if how not in get_args(How):
        raise ConfigError(f"expected 'average' or 'replace', got {how!r}: correct 'infer.fuse'")
    if class_maps.ndim != 3 or tuple(class_maps.shape[1:]) != tuple(foreground.shape):
        raise ValueError(
            f"expected class maps (K, h, w) and a foreground map (h, w), got {tuple(class_maps.shape)} "
            f"and {tuple(foreground.shape)}"
        )
    lower: Maps
    if isinstance(class_maps, Tensor):
        lower = torch.minimum(class_maps, torch.as_tensor(foreground))
    else:
        lower = np.minimum(class_maps, foreground)
    return lower if how == "replace" else (class_maps + lower) / 2


def combine(seeds: Sequence[Maps]) -> Maps:
    """Combine the maps of several methods for the same classes of one image.

    Args:
        seeds: one (K, h, w) float >= 0 per method, arrays or tensors.

    Returns:
        (K, h, w) float in [0, 1]: the sum of the maps, each divided by its maximum, divided by its maximum.

    Raises:
        ValueError: nothing to combine, or the shapes differ.

    Source: Zhai et al., IJCV 2023, Table 9 ("BAS + IRN" is BAS with plain CAM).

    >>> combine([np.array([[[0.5, 1.0]]]), np.array([[[0.4, 0.0]]])]).round(2)
    array([[[1.  , 0.67]]])
    """
    shapes = {tuple(maps.shape) for maps in seeds}
    if len(shapes) != 1:
        raise ValueError(f"expected maps of one shape (K, h, w), got {sorted(shapes) or 'none'}")
    total = normalize(seeds[0])
    for maps in seeds[1:]:
        total = total + normalize(maps)
    return normalize(total)


def write_combined(artifacts: Sequence[Artifact], *, out_dir: Path) -> None:
    """Write the combination of several published seeds, for each image without one.

    Args:
        artifacts: seeds of one data set: the same images, and for each image the same classes.
        out_dir: takes one ``ID.npz`` per image.

    Raises:
        ArtifactError: images, classes or sizes differ.
    """
    first = artifacts[0]
    _check_same_images(artifacts)
    for image_id in track(_missing(first, out_dir), "combine seeds"):
        seeds = [read_seed(artifact.file(image_id)) for artifact in artifacts]
        classes = np.sort(seeds[0].classes)
        for seed, artifact in zip(seeds, artifacts, strict=True):
            if seed.size != seeds[0].size or set(seed.classes.tolist()) != set(classes.tolist()):
                raise ArtifactError(
                    f"expected classes {classes.tolist()} and size {seeds[0].size} for {image_id}, got "
                    f"{sorted(seed.classes.tolist())} and {seed.size} in {artifact.dir}: combine seeds of "
                    "one data set"
                )
        maps = combine([seed.maps[np.argsort(seed.classes)] for seed in seeds])
        write_seed(out_dir / f"{image_id}.npz", classes=classes, maps=maps, size=seeds[0].size)


def write_fused(class_seeds: Artifact, agnostic_seeds: Artifact, *, how: How, out_dir: Path) -> None:
    """Write published class maps, lowered by another method's class-agnostic maps, for each image without.

    Both are divided by their maxima first, as class maps are published: the maps of the two networks come
    from different functions, and their heights do not compare.

    Args:
        class_seeds: seeds with class maps.
        agnostic_seeds: seeds of the same images with a class-agnostic map (``foreground``).
        how: as in `fuse_foreground`.
        out_dir: takes one ``ID.npz`` per image.

    Raises:
        ArtifactError: images or sizes differ, class maps or a class-agnostic map are missing.
    """
    _check_same_images((class_seeds, agnostic_seeds))
    for image_id in track(_missing(class_seeds, out_dir), "fuse seeds"):
        seed, other = read_seed(class_seeds.file(image_id)), read_seed(agnostic_seeds.file(image_id))
        if other.foreground is None:
            raise ArtifactError(
                f"expected a class-agnostic map for {image_id} in {agnostic_seeds.dir}, found none: name "
                "seeds with one second in 'reads', such as those of ornet or fam"
            )
        if not len(seed.classes) and len(other.classes):
            raise ArtifactError(
                f"expected class maps for {image_id} in {class_seeds.dir}, found none: name seeds with them "
                "first in 'reads'"
            )
        if seed.size != other.size:
            raise ArtifactError(
                f"expected size {seed.size} for {image_id}, got {other.size} in {agnostic_seeds.dir}: fuse "
                "seeds of one data set"
            )
        maps = fuse_foreground(normalize(seed.maps), normalize(other.foreground[None])[0], how=how)
        write_seed(out_dir / f"{image_id}.npz", classes=seed.classes, maps=normalize(maps), size=seed.size)


def _check_same_images(artifacts: Sequence[Artifact]) -> None:
    first, *others = artifacts
    for other in others:
        differing = sorted(set(first.ids) ^ set(other.ids))
        if differing:
            raise ArtifactError(
                f"expected seeds of the same images in {first.dir} and {other.dir}, {len(differing)} are in "
                f"one only (first: {differing[0]}): make both for one split"
            )


def _missing(artifact: Artifact, out_dir: Path) -> list[str]:
    return [image_id for image_id in shard(artifact.ids) if not (out_dir / f"{image_id}.npz").is_file()]


def normalize_signed(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Divide maps by their maxima as `normalize` does, and part them at 0.

    Args:
        maps: (K, h, w) float of either sign.

    Returns:
        (what is above 0, what is below it with its sign turned and cut off at 1): (K, h, w) in [0, 1] each.
    """
    inside = maps.clamp(min=0)
    if len(maps) == 0:
        return inside, inside
    highest = inside.amax(dim=(1, 2), keepdim=True) + 1e-5
    return inside / highest, ((-maps).clamp(min=0) / highest).clamp(max=1)


def normalize(maps: Maps) -> Maps:
    """Divide each map (K, h, w) by (its maximum + 1e-5), as IRN and the methods built on it do."""
    if len(maps) == 0:
        return maps
    if isinstance(maps, Tensor):
        return maps / (maps.amax(dim=(1, 2), keepdim=True) + 1e-5)
    return maps / (maps.max(axis=(1, 2), keepdims=True) + 1e-5)
