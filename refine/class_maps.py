"""Class maps of seeds, also of those whose only map is class-agnostic."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsss.artifacts import Seed, read_seed

# Keeps the division of an empty map finite; the stage seeds normalizes class maps so.
_EPSILON = 1e-5


def read_class_maps(path: Path, tags: Sequence[int]) -> Seed:
    """Read a seed; a class-agnostic map alone becomes the class map of an image with exactly one tag.

    Args:
        path: of the seed.
        tags: labels of the image's classes.

    Raises:
        ArtifactError: the file is absent or damaged.
    """
    return with_class_map(read_seed(path), tags)


def with_class_map(seed: Seed, tags: Sequence[int]) -> Seed:
    """The seed with its class-agnostic map, divided by its maximum, as the map of the only tag.

    Args:
        seed: of any kind.
        tags: labels of the image's classes.

    Returns:
        The seed itself where it has class maps, no class-agnostic map, or another number of tags than one.
    """
    if not is_agnostic_alone(seed) or len(tags) != 1 or seed.foreground is None:
        return seed
    class_map = seed.foreground / (seed.foreground.max() + _EPSILON)
    return dataclasses.replace(
        seed, classes=np.array(tags, np.uint8), maps=class_map[None].astype(np.float32), thresholds=None
    )


def is_agnostic_alone(seed: Seed) -> bool:
    """Whether a class-agnostic map is all that a seed has."""
    return seed.foreground is not None and len(seed.classes) == 0
