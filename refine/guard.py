"""Guards at the door: seeds that belong to the data set, and thresholds that make useful confident labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object

from refine.class_maps import is_agnostic_alone
from refine.labels import read_seed_as_set
from wsss.artifacts import IGNORE, Artifact, read_mask, read_seed
from wsss.datasets import DataSet
from wsss.distributed import shard
from wsss.errors import ArtifactError, WsssError
from wsss.images import read_size
from wsss.log import logger
from wsss.progress import track

_SHOWN = 5
_LEAST = 0.01


def check_seeds(seeds: Artifact, dataset: DataSet, *, accepts_agnostic: bool = True) -> None:
    """Check that the seeds are those of this data set's images, and list every problem at once.

    Args:
        seeds: the published seeds.
        dataset: where images and tags are.
        accepts_agnostic: whether a class-agnostic map alone will do for images with exactly one tag.

    Raises:
        ArtifactError: images of the split without a seed, seeds without an image, files that cannot be read,
            classes that are not among an image's tags, sizes that are not the image's, class-agnostic maps
            that cannot stand in for class maps.
    """
    expected = set(dataset.ids(seeds.split))
    missing, extra = sorted(expected - set(seeds.ids)), sorted(set(seeds.ids) - expected)
    problems = [f"{one}: no seed" for one in missing] + [f"{one}: no such image" for one in extra]
    own = [
        f"{image_id}: {problem}"
        for image_id in track(shard([one for one in seeds.ids if one in expected]), "check seeds")
        for problem in _problems_of(seeds, dataset, image_id, accepts_agnostic)
    ]
    problems += [problem for share in all_gather_object(own) for problem in share]
    if problems:
        shown = "; ".join(problems[:_SHOWN]) + ("; ..." if len(problems) > _SHOWN else "")
        raise ArtifactError(
            f"expected seeds of the {len(expected)} images of split {seeds.split} in {seeds.dir}, "
            f"got {len(seeds.ids)} seeds and {len(problems)} problems ({shown}): make them anew, or correct "
            "--seeds"
        )


def _problems_of(seeds: Artifact, dataset: DataSet, image_id: str, accepts_agnostic: bool) -> list[str]:
    try:
        seed = read_seed(seeds.file(image_id))
        size = read_size(dataset.image_file(image_id))
    except WsssError as error:
        return [str(error)]
    problems = []
    unknown = sorted({int(label) for label in seed.classes} - set(dataset.tags(image_id)))
    if unknown:
        problems.append(f"classes {unknown} are not among its tags")
    tags = dataset.tags(image_id)
    if is_agnostic_alone(seed) and tags and not (accepts_agnostic and len(tags) == 1):
        wanted = "maps of its classes are needed" if accepts_agnostic else "the method needs class maps"
        problems.append(f"a class-agnostic map alone for the tags {sorted(tags)}, {wanted}")
    if seed.size != size:
        problems.append(f"size {seed.size}, its image has {size}")
    return problems


@dataclasses.dataclass(frozen=True)
class Shares:
    """Shares of the pixels of confident labels, the mean over the images, each in [0, 1].

    Attributes:
        foreground: sure of a class.
        background: sure of background.
    """

    foreground: float
    background: float

    @property
    def confident(self) -> float:
        """Share of the pixels that are not 255."""
        return self.foreground + self.background


def measure_shares(confident: Path, image_ids: Sequence[str]) -> Shares:
    """Read confident labels and measure their shares."""
    shares = []
    for image_id in image_ids:
        label = read_mask(confident / f"{image_id}.png")
        shares.append(((label != 0) & (label != IGNORE)).mean())
        shares.append((label == 0).mean())
    return Shares(float(np.mean(shares[::2])), float(np.mean(shares[1::2])))


def warn_of_shares(
    shares: Shares,
    seeds: Artifact,
    image_ids: Sequence[str],
    settings: Mapping[str, Any],
    *,
    tags: Callable[[str], Sequence[int]] = lambda _: (),
) -> None:
    """Warn where confident labels cannot teach much, with thresholds to try.

    Pairs of pixels teach the edges: they need pixels that are sure of a class, pixels that are sure of
    background, and some that are neither, because thresholds without anything between them trust the seeds'
    outlines.

    Args:
        shares: of a sample's confident labels.
        seeds: the published seeds.
        image_ids: the sample.
        settings: the config's ``labels``.
        tags: gives the tags of an image id, for seeds whose only map is class-agnostic.
    """
    wrong = {
        "confident": not _LEAST <= shares.confident <= 1 - _LEAST,
        "foreground": shares.foreground < _LEAST,
        "background": shares.background < _LEAST,
    }
    if not any(wrong.values()):
        return
    low, high = thresholds_to_try(seeds, image_ids, settings, tags=tags)
    logger.warning(
        "expected 1 %% to 99 %% confident pixels and 1 %% of foreground and background each, got %.1f %%, "
        "%.1f %% and %.1f %% on %d images with thresholds %.2f and %.2f: try "
        "labels.foreground_threshold=%.2f labels.background_threshold=%.2f",
        100 * shares.confident,
        100 * shares.foreground,
        100 * shares.background,
        len(image_ids),
        settings["foreground_threshold"],
        settings["background_threshold"],
        high,
        low,
    )


def thresholds_to_try(
    seeds: Artifact,
    image_ids: Sequence[str],
    settings: Mapping[str, Any],
    *,
    tags: Callable[[str], Sequence[int]] = lambda _: (),
) -> tuple[float, float]:
    """Background and foreground thresholds that call half of the pixels background, a quarter a class."""
    highest = [
        read_seed_as_set(seeds.file(image_id), settings, tags(image_id)).maps.max(axis=0, initial=0).flatten()
        for image_id in image_ids
    ]
    low, high = np.quantile(np.concatenate(highest), (0.5, 0.75))
    return float(low), float(high)
