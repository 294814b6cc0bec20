"""Files of weights: written whole or not at all, read without running code that they may hold."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsss.artifacts import atomic_write
from wsss.errors import ConfigError
from wsss.paths import resolve_path

# Where trainers put the weights that they save together with other things.
_ENTRIES = ("state_dict", "model")
_CHUNK = 1 << 20


def save_weights(weights: nn.Module | Mapping[str, Tensor], path: str | Path) -> None:
    """Write a state dict with all tensors on the CPU, atomically.

    Args:
        weights: a network, or its state dict.
        path: the file to write.

    Raises:
        ArtifactError: the file cannot be written.
    """
    state_dict = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # In memory first: torch writes the name of a file into it, which is another one each time, and hides why
    # a write failed.
    content = io.BytesIO()
    torch.save({name: value.cpu() for name, value in state_dict.items()}, content)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_weights(path: str | Path, *, what: str, setting: str | None = None) -> dict[str, Tensor]:
    """Read a state dict onto the CPU.

    Args:
        path: file with a state dict, or with one as its entry ``state_dict`` or ``model``; relative to the
            project root.
        what: whose weights it should hold, for messages: "weights of ...".
        setting: key in the config that names the file, for messages.

    Returns:
        Name -> tensor.

    Raises:
        ConfigError: the file is absent, damaged, or holds no state dict; in one line.
    """
    file = _existing(path, what, setting)
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    # A damaged file may raise nearly anything, whichever bytes were hit.
    except Exception as error:
        raise ConfigError(
            f"expected a PyTorch state dict in {file}, got: {reason_of(error)}: replace it with {what}"
        ) from error
    if isinstance(content, Mapping):
        content = next((content[one] for one in _ENTRIES if isinstance(content.get(one), Mapping)), content)
    if not isinstance(content, dict) or not content or not all(map(_is_entry, content.items())):
        raise ConfigError(
            f"expected a PyTorch state dict in {file}, got {_described(content)}: replace it with {what}"
        )
    return content


def sha256_of(path: str | Path, *, what: str = "weights", setting: str | None = None) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Args:
        path: any file; relative to the project root.
        what: what it is, for the message.
        setting: key in the config that names the file, for the message.

    Raises:
        ConfigError: there is no such file.
    """
    digest = hashlib.sha256()
    with _existing(path, what, setting).open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def reason_of(error: Exception) -> str:
    """Why torch could not read a file, in one line."""
    # What torch says here is advice to run whatever code the file holds.
    if isinstance(error, pickle.UnpicklingError):
        return "other things than tensors"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _existing(path: str | Path, what: str, setting: str | None) -> Path:
    file = resolve_path(path)
    if not file.is_file():
        advice = "correct its path" if setting is None else f"correct '{setting}'"
        raise ConfigError(f"expected {what} at {file}, found no file: {advice} or put it there")
    return file


def _is_entry(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _described(content: Any) -> str:
    if not isinstance(content, dict):
        return type(content).__name__
    others = [name for name, value in content.items() if not _is_entry((name, value))]
    return f"a dict with {others[0]!r}, which is no tensor" if others else "an empty one"
