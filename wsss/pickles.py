"""Pickles from elsewhere, read without running their code: arrays, tensors, numbers, text and containers."""

import collections
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from wsss.errors import DataError

_NUMPY = re.compile(
    r"numpy\.(ndarray|dtype)|numpy\._?core\.multiarray\.(_reconstruct|scalar)|numpy\._?core\.numeric\._frombuffer"
)


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Stand-in for ``_codecs.encode``, which pickles of protocol 2 use for raw bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding}")
    return text.encode("latin1")


def _load_storage(content: bytes) -> Any:
    """Stand-in for ``torch.storage._load_from_bytes``, which would unpickle whatever it is given."""
    import torch

    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _rebuild_tensor(*parts: Any) -> Any:
    """Stand-in for ``torch._utils._rebuild_tensor_v2``, so that arrays alone need no torch."""
    import torch

    return torch._utils._rebuild_tensor_v2(*parts)


_HARMLESS: dict[str, Any] = {
    "_codecs.encode": _encode_latin1,
    "collections.OrderedDict": collections.OrderedDict,
    "torch.storage._load_from_bytes": _load_storage,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
}


class ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays, torch tensors, numbers, text and containers; refuses every other name."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Give the object behind a name if the name is harmless."""
        name = f"{module_name}.{global_name}"
        if name in _HARMLESS:
            return _HARMLESS[name]
        if not _NUMPY.fullmatch(name):
            raise pickle.UnpicklingError(f"the name {name}, which may run code")
        return super().find_class(module_name.replace("numpy.core", "numpy._core"), global_name)


def read_pickled(path: Path, what: str, *, advice: str = "replace the file") -> Any:
    """Read the one object in a ``.npy`` file that ``numpy.save`` pickled.

    Args:
        path: the file.
        what: what it should hold, for messages: "a .npy file of ...".
        advice: what to do where the file is absent.

    Raises:
        DataError: the file is absent, damaged, or its pickle names anything but arrays and tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read_object(stream)
    except FileNotFoundError as error:
        raise DataError(f"expected {what} at {path}, found no file: {advice}") from error
    # A damaged pickle may raise nearly anything, whichever bytes were hit.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"expected {what} at {path}, got: {reason}: replace the file") from error


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
    array = ArrayUnpickler(stream).load()
    if not isinstance(array, np.ndarray) or array.shape != ():
        raise ValueError(f"a pickled {type(array).__name__}")
    return array.item()
