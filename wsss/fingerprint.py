"""What a stage sees of a data set, as digests: any change of a list, tag, image or mask shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from wsss.contents import Contents
from wsss.datasets import DataSet


def fingerprint(dataset: DataSet, split: str, contents: Contents) -> Mapping[str, str]:
    """Digests of all that can be read of one split.

    Args:
        dataset: the data set.
        split: name of the split.
        contents: reads the files.

    Returns:
        ``data SPLIT``: classes, ids, tags and images; ``ground truth SPLIT``: the masks of its images, "none"
        where there are none. No paths.

    Raises:
        DataError: the list or the tags are faulty, or a file cannot be read.
    """
    ids = dataset.ids(split)
    images = contents.digests((dataset.image_path(one) for one in ids), f"read images of {split}")
    rows = [(one, dataset.tags(one), image) for one, image in zip(ids, images, strict=True)]
    masks = {one: path for one in ids if (path := dataset.mask_path(one)) is not None}
    truths = contents.digests(masks.values(), f"read ground truth of {split}")
    return {
        f"data {split}": _digest([dataset.classes, rows]),
        f"ground truth {split}": _digest([*zip(masks, truths, strict=True)]) if masks else "none",
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
