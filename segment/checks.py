"""What masks must be before a network is trained on them for hours."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.dist import all_gather_object
from numpy.typing import NDArray

from wsss.artifacts import IGNORE
from wsss.datasets import DataSet
from wsss.datasets.base import LabelFile, name_some
from wsss.distributed import shard
from wsss.errors import ArtifactError
from wsss.images import read_size
from wsss.progress import track

# No method that sees tags alone draws objects without one wrong pixel; chance allows for a few tiny ones.
_IDENTICAL_SHARE = 0.05
# A mask that leaves out more than this of the labelled pixels says too little to be called a copy.
_COPIED_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class LabelCheck:
    """What was found in the masks of a split.

    Attributes:
        images: number of masks.
        ignored: mean over the masks of the share of pixels with label 255, in [0, 1].
        compared: masks of images whose ground truth is known and holds a class.
        identical: of those, masks that do not differ from the ground truth.
        untagged: ids of images whose masks hold a class that is not among the tags.
    """

    images: int
    ignored: float
    compared: int
    identical: int
    untagged: tuple[str, ...]

    @property
    def is_ground_truth(self) -> bool:
        """Whether the masks are the ground truth, or hold so much of it that they were made from it."""
        return self.identical > _IDENTICAL_SHARE * self.compared


def check_labels(dataset: DataSet, files: Mapping[str, LabelFile]) -> LabelCheck:
    """Read every label map once; several processes share the work.

    Args:
        dataset: where the images, their tags and their ground truth are.
        files: image id -> label map.

    Returns:
        What was found, over all processes.

    Raises:
        ArtifactError: a label map is damaged, has another size than its image, or holds labels above C.
        DataError: an image cannot be read.
    """
    ignored, compared, identical, untagged = 0.0, 0, 0, []
    own = shard(list(files))
    for image_id in track(own, "check masks"):
        size = read_size(dataset.image_file(image_id))
        mask = files[image_id].read(size=size)
        ignored += float((mask == IGNORE).mean())
        if not set(np.unique(mask).tolist()) <= {0, IGNORE, *dataset.tags(image_id)}:
            untagged.append(image_id)
        same = _is_copy(mask, dataset, image_id)
        compared += same is not None
        identical += bool(same)
    found = all_gather_object((len(own), ignored, compared, identical, untagged))
    images = sum(one[0] for one in found)
    return LabelCheck(
        images=images,
        ignored=sum(one[1] for one in found) / max(images, 1),
        compared=sum(one[2] for one in found),
        identical=sum(one[3] for one in found),
        untagged=tuple(image_id for one in found for image_id in one[4]),
    )


def refuse_wrong_masks(
    check: LabelCheck, folder: Path, *, allow_ground_truth: bool, allow_untagged: bool
) -> None:
    """Refuse masks that cannot be what weak supervision gives.

    Args:
        check: what was found in them.
        folder: where they are.
        allow_ground_truth: let masks pass that are the ground truth.
        allow_untagged: let masks pass that hold classes which are not among the tags of their image.

    Raises:
        ArtifactError: masks that are not allowed.
    """
    if check.is_ground_truth and not allow_ground_truth:
        raise ArtifactError(
            f"expected masks made from tags in {folder}, got the ground truth for {check.identical} of "
            f"{check.compared} images: give other masks, or --allow-ground-truth (every figure then says "
            "full supervision)"
        )
    if check.untagged and not allow_untagged:
        raise ArtifactError(
            f"expected only classes among the tags in the masks in {folder}, got others in "
            f"{name_some(check.untagged)}: check the order of the classes, or set allow_untagged=True"
        )


def _is_copy(mask: NDArray[np.uint8], dataset: DataSet, image_id: str) -> bool | None:
    """Whether a mask is its image's ground truth; None where that is unknown or holds no class."""
    if dataset.mask_path(image_id) is None:
        return None
    truth = dataset.truth(image_id)
    labelled = truth != IGNORE
    if truth.shape != mask.shape or not truth[labelled].any():
        return None
    both = labelled & (mask != IGNORE)
    return bool(both.sum() >= _COPIED_SHARE * labelled.sum() and (mask[both] == truth[both]).all())
