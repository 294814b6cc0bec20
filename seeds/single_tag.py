"""Images with exactly one tag: what methods for localisation learn from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seeds.dataset import TaggedImages
from wsss.datasets import DataSet
from wsss.datasets.base import name_some
from wsss.errors import DataError
from wsss.log import logger

# What to do about images with several tags: refuse them, or learn from the others alone.
SEVERAL_TAGS = ("stop", "leave_out")


def check_single_tags(dataset: DataSet, image_ids: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Refuse images that a method for one class an image cannot learn from; nothing is read but tags.

    Args:
        dataset: where the tags are.
        image_ids: images of the training split.
        settings: the config's ``train``: ``several_tags`` is read.

    Raises:
        DataError: an image has several tags and they are not to be left out, or no image is left.
    """
    chosen = single_tag_ids(dataset, image_ids)
    others = sorted(set(image_ids) - set(chosen))
    if others and settings["several_tags"] == "stop":
        raise DataError(
            f"expected one tag for each image of {dataset.name}, got another number for {name_some(others)}: "
            "use a method for several tags, or set train.several_tags='leave_out' to learn from the others"
        )
    if not chosen:
        raise DataError(
            f"expected images with one tag in {dataset.name}, got none in {len(image_ids)}: use a method for "
            "several tags"
        )
    counts = Counter(dataset.tags(one)[0] for one in chosen)
    lacking = [name for label, name in enumerate(dataset.classes, start=1) if not counts[label]]
    if others:
        logger.info("%d of %d images have one tag and are trained on", len(chosen), len(image_ids))
    if lacking:
        logger.warning(
            "no image has one tag alone of %s: maps of these classes mean nothing", ", ".join(lacking)
        )


def single_tag_ids(dataset: DataSet, image_ids: Sequence[str]) -> tuple[str, ...]:
    """Images with exactly one tag, in their order."""
    return tuple(one for one in image_ids if len(dataset.tags(one)) == 1)


def single_tag_images(
    dataset: DataSet, image_ids: Sequence[str], settings: Mapping[str, Any]
) -> TaggedImages:
    """Training images with one tag, augmented by the config's ``train``: ``resize`` and ``crop``."""
    chosen = single_tag_ids(dataset, image_ids)
    return TaggedImages(dataset, chosen, resize=settings["resize"], crop=settings["crop"])
