"""What of a localisation set is there and what is missing; what ``wsss data cub`` and its like print."""

from collections.abc import Sequence
from typing import Any

from wsss.datasets.base import name_some
from wsss.datasets.localization import LocalizationDataSet
from wsss.errors import DataError


def examine_split(dataset: LocalizationDataSet, split: str, *, expected: int | None) -> dict[str, Any]:
    """Compare the lists of one split with the files.

    Args:
        dataset: the data set.
        split: name of a split, which may not be there.
        expected: number of images that its list should have; None: not known.

    Returns:
        ``images``, ``expected``, ``images_missing``, ``with_boxes``, ``with_masks``, ``masks_missing``
        (files) and ``problems``, in words.

    Raises:
        DataError: the lists are broken or do not fit each other.
    """
    row: dict[str, Any] = {"images": 0, "expected": expected, "problems": []}
    if split not in dataset.splits:
        return row | {"problems": [f"no lists in {dataset.metadata}: add them"]}
    located = dataset.located(split)
    missing = [one for one in located if not dataset.image_path(one).is_file()]
    files = [file for one in located.values() for file in (*one.masks, *([one.ignore] if one.ignore else []))]
    gone = [str(file) for file in files if not file.is_file()]
    row |= {
        "images": len(located),
        "images_missing": len(missing),
        "with_boxes": sum(bool(one.boxes) for one in located.values()),
        "with_masks": sum(dataset.has_masks(one) for one in located),
        "masks_missing": len(gone),
    }
    if expected is not None and len(located) != expected:
        row["problems"].append(f"{len(located)} images listed in place of {expected}: use the official lists")
    if missing:
        row["problems"].append(f"images are missing below {dataset.image_path('')}, {name_some(missing)}")
    if gone:
        row["problems"].append(f"masks are missing, {name_some(gone)}")
    if not split.startswith("train") and not row["with_boxes"] and not row["with_masks"]:
        row["problems"].append("neither boxes nor masks: nothing can be scored on it")
    if not row["problems"]:
        row["problems"] += _words_of_check(dataset, split)
    return row


def examine(
    dataset: LocalizationDataSet, *, counts: dict[str, int], wanted: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """`examine_split` of every split that has lists or a number of images, or is wanted."""
    splits = dict.fromkeys([*wanted, *counts, *dataset.splits])
    return {split: examine_split(dataset, split, expected=counts.get(split)) for split in splits}


def _words_of_check(dataset: LocalizationDataSet, split: str) -> list[str]:
    try:
        dataset.check(split)
    except DataError as error:
        return [str(error)]
    return []
