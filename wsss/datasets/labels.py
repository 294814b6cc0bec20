"""Image tags from the ``cls_labels.npy`` of the IRN family: a pickled dict, read without running its code."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.errors import DataError
from wsss.pickles import read_pickled

_WHAT = "a .npy file of a dict {image id: (C,) array of 0 and 1}"


def read_labels(path: Path, num_classes: int) -> dict[str, tuple[int, ...]]:
    """Read the tags of all images from a labels file.

    Integer ids are VOC's without the underscore: 2007000032 is ``2007_000032``.

    Args:
        path: .npy file with a pickled dict, int or str id -> (C,) array, 1 where the class is in the image.
        num_classes: C, without background.

    Returns:
        Image id -> sorted labels, 1..C.

    Raises:
        DataError: the file is absent or damaged, its pickle names anything but numpy arrays, or it holds
            anything else.
    """
    content = read_pickled(path, _WHAT, advice="set dataset.labels")
    if content == {}:
        raise DataError(f"expected {_WHAT} at {path}, got an empty dict: replace the file")
    if not isinstance(content, dict):
        raise DataError(f"expected {_WHAT} at {path}, got {type(content).__name__}: replace the file")
    labels: dict[str, tuple[int, ...]] = {}
    for key, row in content.items():
        image_id = _name_image(key, path)
        if image_id in labels:
            raise DataError(f"expected each image id once in {path}, got {image_id} twice: keep one of them")
        labels[image_id] = _read_row(row, num_classes, f"{image_id} in {path}")
    return labels


def _name_image(key: object, path: Path) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        digits = str(int(key))
        if len(digits) == 10:
            return f"{digits[:4]}_{digits[4:]}"
    raise DataError(f"expected image ids like 2007_000032 or 2007000032 in {path}, got {key!r}: rename them")


def _read_row(row: object, num_classes: int, where: str) -> tuple[int, ...]:
    values: NDArray[Any] = np.asarray(row)
    if values.shape != (num_classes,) or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise DataError(
            f"expected ({num_classes},) values of 0 or 1 for {where}, got {values.dtype} {values.shape}: "
            "use the labels file of this data set"
        )
    return tuple(int(index) + 1 for index in np.flatnonzero(values))
