"""Guards at the door: seeds of this data set that show objects, thresholds that make useful labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object
from numpy.typing import NDArray

from refine.class_maps import is_agnostic_alone, read_class_maps
from refine.labels import read_seed_as_set
from wsss.artifacts import IGNORE, Artifact, read_mask, read_seed
from wsss.datasets import DataSet
from wsss.distributed import shard
from wsss.errors import ArtifactError, WsssError
from wsss.images import read_size
from wsss.log import logger
from wsss.progress import track
from wsss.scored import spread

_SHOWN = 5
_LEAST = 0.01
# Cells nearer to the border than a tenth of the side are the rim, those beyond a quarter the middle.
_RIM, _MIDDLE = 0.1, 0.25
# At most so many images are looked at, and a class is judged on so many at least.
_IMAGES, _FEW = 1000, 10


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


def warn_of_rims(seeds: Artifact, dataset: DataSet) -> None:
    """Warn of classes whose maps are higher along the border of the images than in their middle.

    Objects are mostly in the middle of a photo. A classifier of few images finds the evidence of a class in
    what is always around it: the ceiling over chairs, the wall behind cats. No ground truth is needed to see
    that (docs/results/voc_mini.md).

    Args:
        seeds: the published seeds.
        dataset: where tags and the names of classes are.
    """
    if names := classes_at_the_rim(seeds, dataset, spread(seeds.ids, _IMAGES)):
        logger.warning(
            "expected maps that are higher in the middle of the images than along their border, got the "
            "opposite for %s: they may show what is around the objects; look at them (wsss report) and add "
            "images of these classes in other places",
            ", ".join(names),
        )


def classes_at_the_rim(seeds: Artifact, dataset: DataSet, image_ids: Sequence[str]) -> list[str]:
    """Names of the classes whose maps have a higher mean in the outer tenth of the images than in the middle.

    Args:
        seeds: the published seeds.
        dataset: where tags and the names of classes are.
        image_ids: images to look at; classes of fewer than 10 among them are left out.
    """
    count = len(dataset.classes) + 1
    rim, middle, number = np.zeros(count), np.zeros(count), np.zeros(count, int)
    for image_id in track(image_ids, "borders of the seeds"):
        seed = read_class_maps(seeds.file(image_id), dataset.tags(image_id))
        distance = _distance_to_border(*seed.maps.shape[1:])
        is_rim, is_middle = distance < _RIM, distance > _MIDDLE
        if not is_rim.any():  # an image of a few cells
            continue
        rim[seed.classes] += seed.maps[:, is_rim].mean(axis=1)
        middle[seed.classes] += seed.maps[:, is_middle].mean(axis=1)
        number[seed.classes] += 1
    return [
        name
        for label, name in enumerate(dataset.classes, start=1)
        if number[label] >= _FEW and rim[label] > middle[label]
    ]


def _distance_to_border(height: int, width: int) -> NDArray[np.float64]:
    """How far each cell's centre is from the border, as a share of the side: (height, width) in (0, .5]."""
    rows, columns = (np.minimum(at, 1 - at) for at in (_centres(height), _centres(width)))
    return np.minimum(rows[:, None], columns[None])


def _centres(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


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
