"""Which images the published figures are of."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wsss.datasets import DataSet

# Settings and inputs that move figures alone, never what a stage makes.
SCORING = ("score_split", "dataset.score_split", "ground truth")


@dataclasses.dataclass(frozen=True)
class Scored:
    """Images with ground truth among those that a stage made something for.

    Attributes:
        split: what ``image_ids`` are, for messages and manifests.
        image_ids: images whose figures are published under plain names.
        others: the remaining ones; figures of all together are published as ``NAME_all``.
    """

    split: str
    image_ids: tuple[str, ...]
    others: tuple[str, ...] = ()


def scored_images(
    config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str], *, split: str
) -> Scored | None:
    """Choose the images to score by the config's ``score_split``, or that of its data set.

    Methods are compared on one split (VOC: train, 1,464 images) even where they make something for a larger
    one (train_aug, 10,582).

    Args:
        config: a resolved config: ``score_split`` and ``dataset.score_split`` are read, None or absent where
            all images count.
        dataset: holds splits and ground truth.
        image_ids: images that something was made for.
        split: the split that they are.

    Returns:
        The images; None where none of them has ground truth. Where the split to score has no image among
        them, all count.

    Raises:
        DataError: the list of the split to score is absent or faulty.
    """
    with_truth = [one for one in image_ids if dataset.mask_path(one) is not None]
    if not with_truth:
        return None
    name = _named(config)
    chosen = set(dataset.ids(name)) if name and name != split else set(with_truth)
    inside = tuple(one for one in with_truth if one in chosen)
    if name is None or not inside:
        return Scored(split, tuple(with_truth))
    if len(inside) == len(with_truth):
        return Scored(name, tuple(with_truth))
    return Scored(name, inside, tuple(one for one in with_truth if one not in chosen))


def spread(image_ids: Sequence[str], count: int) -> list[str]:
    """At most ``count`` images, spread over the whole list."""
    return list(image_ids[:: -(-len(image_ids) // count)]) if image_ids else []


def named_all(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of all images, by names that stand beside those of the scored split: ``mIoU_all``, ...

    Tables such as the IoU per class are left out.
    """
    return {f"{name}_all": value for name, value in figures.items() if not isinstance(value, Mapping)}


def splits_to_read(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The split that a stage makes something for, and the one that is scored where another is named."""
    scored = _named(config)
    train = config["dataset"]["train_split"]
    return (train,) if scored in (None, train) else (train, scored)


def _named(config: Mapping[str, Any]) -> str | None:
    """The split that a config wants scored, its own or its data set's."""
    return config.get("score_split") or config.get("dataset", {}).get("score_split")
