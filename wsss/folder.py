"""The folder that a stage fills: who holds it, what lies in it, what is kept of an older run."""

import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from wsss.artifacts import MANIFEST, withdraw, write_json
from wsss.errors import ArtifactError
from wsss.log import OneLine, logger
from wsss.manifests import check_seal

UNFINISHED = "unfinished.json"
# Older content of a folder is kept under its name with one of these behind it, at most one of each kind.
PREVIOUS, LEFT = ".previous", ".unfinished"
_COPYING = ".copying-"


@contextlib.contextmanager
def only_run(work_dir: Path, name: str) -> Iterator[None]:
    """Hold a folder: a second run on it stops at once. The lock goes with the process, however it ends.

    Raises:
        ArtifactError: another run holds it, or the work folder cannot be written.
    """
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        refuse_link(work_dir / f".{name}.lock")
        stream = (work_dir / f".{name}.lock").open("a")
    except OSError as error:
        raise ArtifactError(
            f"expected a work folder that can be written, got: {error}: change --work-dir"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArtifactError(
                f"expected to be the only run on {work_dir / name}, another one holds it: "
                "wait for it or change --work-dir"
            ) from error
        yield


@contextlib.contextmanager
def log_file(out_dir: Path) -> Iterator[None]:
    """Copy the log into one file per stage, which outlives restarts: ``NAME.log`` beside the folder.

    Raises:
        ArtifactError: the file is a link.
    """
    refuse_link(out_dir.with_name(f"{out_dir.name}.log"))
    handler = logging.FileHandler(out_dir.with_name(f"{out_dir.name}.log"), encoding="utf-8")
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def read_state(out_dir: Path) -> dict[str, Any] | None:
    """Key, settings and inputs of what lies in a folder.

    Returns:
        None where there is no such folder or an empty one; an empty dict where nobody can tell what it is.
    """
    for file in (out_dir / UNFINISHED, out_dir / MANIFEST):
        if file.is_file():
            try:
                state = json.loads(file.read_text(encoding="utf-8"))
                if isinstance(state, dict):
                    check_seal(state, file)
                    return state
            except (OSError, ValueError, ArtifactError):
                pass
            return {}
    return {} if out_dir.is_dir() and any(out_dir.iterdir()) else None


def is_finished(out_dir: Path) -> bool:
    """Whether a folder was published and nothing has begun to change it since."""
    return (out_dir / MANIFEST).is_file() and not (out_dir / UNFINISHED).is_file()


def continue_folder(out_dir: Path, state: Mapping[str, Any], images: Collection[str] = ()) -> None:
    """Make a half-filled folder of the same job ready to be filled further.

    Parts of an older run that were not copied when the run before was stopped are copied now.

    Args:
        out_dir: the folder.
        state: of the job.
        images: as in `begin_folder`.

    Raises:
        ArtifactError: something in the folder is a link.
    """
    for one in out_dir.iterdir():
        refuse_link(one)
    before = read_state(out_dir) or {}
    # The state first: without it, files would lie in the folder that nobody vouches for.
    takes = _checked(out_dir, before.get("takes_over"))
    write_json(out_dir / UNFINISHED, {**state, **({"takes_over": takes} if takes else {})})
    withdraw(out_dir)
    if takes:
        _take_over(out_dir, state, takes, images)


def manifests_in(work_dir: Path) -> list[Path]:
    """Manifests of what is published in a work folder, without what a newer one has set aside."""
    found = (file for file in work_dir.glob(f"*/{MANIFEST}") if file.parent.suffix not in (PREVIOUS, LEFT))
    return sorted(found)


def begin_folder(
    out_dir: Path, state: Mapping[str, Any], parts: list[str], images: Collection[str] = ()
) -> None:
    """Make an empty folder for a job; what was there is set aside, and parts of it that hold are copied.

    A finished artifact is kept as ``NAME.previous``; anything else as ``NAME.unfinished``, so that no
    half-filled folder takes the place of a finished one.

    Args:
        out_dir: the folder.
        state: of the job; written before anything else.
        parts: subfolders of the old content to copy.
        images: files that the job makes of its images, by their names in the folder. They are no part: images
            may lie in a folder that is called as one, such as ``train/a.jpg``.
    """
    source = None
    if read_state(out_dir) is not None:
        source = out_dir.with_name(out_dir.name + (PREVIOUS if is_finished(out_dir) else LEFT))
        shutil.rmtree(source, ignore_errors=True)
        out_dir.rename(source)
        logger.info("%s: what was there is kept in %s", out_dir.name, source)
    out_dir.mkdir(parents=True, exist_ok=True)
    takes = {"from": source.name, "parts": parts} if source is not None and parts else None
    write_json(out_dir / UNFINISHED, {**state, **({"takes_over": takes} if takes else {})})
    if takes:
        _take_over(out_dir, state, takes, images)


def _checked(out_dir: Path, takes: Any) -> Mapping[str, Any] | None:
    """What an interrupted run was copying, if it can be; a folder from elsewhere may name anything."""
    names = {out_dir.name + kind for kind in (PREVIOUS, LEFT)}
    if not isinstance(takes, Mapping) or takes.get("from") not in names:
        return None
    parts = takes.get("parts")
    plain = isinstance(parts, list) and all(
        isinstance(one, str) and one == Path(one).name and one not in ("", "..") for one in parts
    )
    return takes if plain else None


def refuse_link(path: Path) -> None:
    """Refuse to write through a link: in a folder from elsewhere it may lead to any file.

    Raises:
        ArtifactError: the path is a link.
    """
    if path.is_symlink():
        raise ArtifactError(
            f"expected a file or folder of its own at {path}, got a link to {path.readlink()}: remove the "
            "link, or link the whole work folder"
        )


def _take_over(
    out_dir: Path, state: Mapping[str, Any], takes: Mapping[str, Any], images: Collection[str]
) -> None:
    """Copy parts of an older run, each whole or not at all."""
    source = out_dir.with_name(str(takes["from"]))
    for half in out_dir.glob(f"{_COPYING}*"):
        shutil.rmtree(half)
    for part in takes["parts"]:
        if (source / part).is_dir() and not (out_dir / part).exists():
            logger.info("%s: %s does not depend on what changed and is taken over", out_dir.name, part)
            half = out_dir / f"{_COPYING}{part}"
            shutil.copytree(source / part, half)
            for name in images:
                if name.startswith(f"{part}/"):
                    (half / name.removeprefix(f"{part}/")).unlink(missing_ok=True)
            half.rename(out_dir / part)
    write_json(out_dir / UNFINISHED, state)
