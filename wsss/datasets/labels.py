"""Image tags from the ``cls_labels.npy`` of the IRN family: a pickled dict, read without running its code."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from wsss.errors import DataError

_WHAT = "a .npy file of a dict {image id: (C,) array of 0 and 1}"


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Stand-in for ``_codecs.encode``, which pickles of protocol 2 use for raw bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding}")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays, numbers, text and containers; refuses every other name in the pickle."""

    _allowed = re.compile(
        r"numpy\.(ndarray|dtype)|numpy\._?core\.multiarray\.(_reconstruct|scalar)|numpy\._?core\.numeric\._frombuffer"
    )

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Give the object behind a name if the name is harmless."""
        name = f"{module_name}.{global_name}"
        if name == "_codecs.encode":
            return _encode_latin1
        if not self._allowed.fullmatch(name):
            raise pickle.UnpicklingError(f"the name {name}, which may run code")
        return super().find_class(module_name.replace("numpy.core", "numpy._core"), global_name)


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
    try:
        with path.open("rb") as stream:
            content = _read_object(stream)
    except FileNotFoundError as error:
        raise DataError(f"expected {_WHAT} at {path}, found no file: set dataset.labels") from error
    # A damaged pickle may raise nearly anything, whichever bytes were hit.
    except Exception as error:
        raise DataError(f"expected {_WHAT} at {path}, got: {error}: replace the file") from error
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


def _read_object(stream: IO[bytes]) -> Any:
    version = npy.read_magic(stream)
    readers: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the .npy format")
    shape, _, dtype = readers[version](stream)
    if shape != () or dtype != np.dtype(object):
        raise ValueError(f"an array of {dtype} with shape {shape}")
    array = _ArrayUnpickler(stream).load()
    if not isinstance(array, np.ndarray) or array.shape != ():
        raise ValueError(f"a pickled {type(array).__name__}")
    return array.item()


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
