"""Data that this project makes itself: whole or not there, and made anew when the settings differ."""

import contextlib
import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wsss.errors import ConfigError, DataError
from wsss.log import logger

STAMP = "settings.json"
_state = {"may_make": True}


class NotMadeError(DataError):
    """Data that would have to be made, or made anew, by somebody who only looks."""


@contextlib.contextmanager
def only_looking() -> Iterator[None]:
    """Open made data where they are as wanted; where they would be made, a NotMadeError says so instead."""
    before = _state["may_make"]
    _state["may_make"] = False
    try:
        yield
    finally:
        _state["may_make"] = before


def check_counts(settings: Mapping[str, Any], least: Mapping[str, int]) -> None:
    """Refuse settings of made data that are no whole numbers, or too small.

    Args:
        settings: by their names in the config's ``dataset``.
        least: smallest value of each.

    Raises:
        ConfigError: the first that is none.
    """
    for key, low in least.items():
        if type(settings[key]) is not int or settings[key] < low:
            raise ConfigError(
                f"expected a whole number of at least {low} for dataset.{key}, got "
                f"{settings[key]!r}: change it"
            )


def ensure_made(
    folder: Path, settings: Mapping[str, Any], write: Callable[[Path], None], *, what: str
) -> None:
    """Make data in a folder beside the wanted one and rename it when it is whole.

    Args:
        folder: where the data shall be. What was made there with other settings is replaced.
        settings: all that the data depend on; stored with them, as JSON.
        write: fills an empty folder.
        what: the data's name, for messages.

    Raises:
        DataError: the folder holds something else, or cannot be written.
        NotMadeError: the data would have to be made, and the caller is `only_looking`.
    """
    there = read_stamp(folder)
    if there == settings:
        return
    if not _state["may_make"]:
        got = "none" if there is None else f"others ({_differing(there, settings)})"
        raise NotMadeError(
            f"expected {what} with these settings at {folder}, found {got}: give the --cfg-options and "
            "--data-root of the run, or let wsss run make them"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Of several processes that start together one makes the data and the others wait for it.
        with _locked(folder.parent / f".{folder.name}.lock"):
            found = read_stamp(folder)
            if found == settings:
                return
            if found is None and folder.exists() and any(folder.iterdir()):
                raise DataError(
                    f"expected {what} or no folder at {folder}, got a folder without {STAMP}: "
                    "move it away or set dataset.root"
                )
            _make(folder, settings, write, what)
    except OSError as error:
        raise DataError(
            f"expected to make the {what} at {folder}, got: {error}: free space or set dataset.root"
        ) from error


def read_stamp(folder: Path) -> dict[str, Any] | None:
    """Settings that the data in a folder were made with; None where it holds none."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def _differing(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Settings of data that are there and not as wanted."""
    return ", ".join(f"{key}={value}" for key, value in there.items() if value != wanted.get(key))


def _make(folder: Path, settings: Mapping[str, Any], write: Callable[[Path], None], what: str) -> None:
    prefix = f".{folder.name}-partial-"
    for left in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    logger.info("making the %s at %s", what, folder)
    write(partial)
    (partial / STAMP).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    partial.chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file; the system frees it when the process ends, however it ends."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
