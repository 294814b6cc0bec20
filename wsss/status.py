"""What lies in a work folder: published, unfinished, broken or stale, and why."""

import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsss.artifacts import COPY, MANIFEST, Artifact, find_damage, has_copy, open_artifact, read_artifact
from wsss.comparison import shares_of_full_supervision
from wsss.config import Settings, flatten
from wsss.contents import Contents
from wsss.engine import changes_since
from wsss.errors import ArtifactError, WsssError
from wsss.folder import LEFT, PREVIOUS, UNFINISHED
from wsss.keys import is_weights
from wsss.stage import Stage

_MOST_LETTERS = 24


def describe_work(
    work_dir: Path,
    wanted: Mapping[str, tuple[Stage, Settings]],
    *,
    as_made: bool = False,
    deep: bool = False,
) -> list[dict[str, Any]]:
    """One row for each folder of artifacts in a work folder.

    Args:
        work_dir: ``work/DATASET``.
        wanted: name of a folder -> the stage and the settings that would fill it now.
        as_made: compare with the settings that each was made with, for a run's options are known to nobody
            else; how they differ from the given ones stands in ``differs``.
        deep: read the content of all published files too.

    Returns:
        Rows with ``name``, ``state`` ("up to date", "published", "stale", "unfinished", "broken"), ``why``
        and ``differs`` (lists of str), and for what can be read ``kind``, ``split``, ``images``, ``mIoU``,
        ``thresholds``, ``inputs``, ``share_of_full_supervision``, ``finished``, ``code``. "published" is what
        no preset makes: nobody knows if it is stale. With ``deep``, ``damaged`` names the files that are not
        as they were published, and ``checked`` says how many were read.
    """
    folders = sorted(
        one
        for one in (work_dir.iterdir() if work_dir.is_dir() else ())
        if one.suffix not in (PREVIOUS, LEFT) and _is_ours(one)
    )
    rows = [
        _describe(folder, wanted.get(folder.name), as_made=as_made) | (_content(folder) if deep else {})
        for folder in folders
    ]
    shares = shares_of_full_supervision({row["name"]: row.pop("manifest", {}) for row in rows})
    return [{**row, "share_of_full_supervision": shares.get(row["name"], {})} for row in rows]


def _is_ours(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (MANIFEST, UNFINISHED)) or has_copy(folder)


def _content(folder: Path) -> dict[str, Any]:
    """Names of damaged files of a folder, read in full, and how many files have a hash to be checked by."""
    if (folder / UNFINISHED).is_file():
        return {"checked": 0, "damaged": []}
    try:
        artifact = read_artifact(folder)
    except ArtifactError:
        return {"checked": 0, "damaged": [f"{MANIFEST}: damaged or gone"]}
    damage = find_damage(artifact, Contents())
    files = artifact.manifest.get("files") or {}
    return {
        "checked": len(files),
        "damaged": [
            *(f"{name}: changed" for name in damage.changed),
            *(f"{name}: gone" for name in damage.absent),
            *([f"{COPY}: changed or gone"] if files and not has_copy(folder) else []),
        ],
    }


def _describe(folder: Path, wanted: tuple[Stage, Settings] | None, *, as_made: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"name": folder.name, "state": "published", "why": [], "differs": []}
    if (folder / UNFINISHED).is_file() and not (folder / MANIFEST).is_file():
        return {**row, "state": "unfinished", "why": ["the same command continues it"]}
    try:
        artifact = open_artifact(folder)
        row |= _facts(artifact) | {"manifest": artifact.manifest}
        if wanted is not None:
            row |= _compared(artifact, *wanted, as_made=as_made)
            row["state"] = "stale" if row["why"] else "up to date"
    except ArtifactError as error:
        return {**row, "state": "broken", "why": [str(error)]}
    except WsssError as error:
        return {**row, "why": [str(error)]}
    return row


def _compared(artifact: Artifact, stage: Stage, settings: Settings, *, as_made: bool) -> dict[str, list[str]]:
    """Why an artifact is stale, and how its settings differ from those given."""
    found = changes_since(artifact, stage, settings)
    if not as_made:
        return {"why": list(found.values())}
    recorded = artifact.manifest.get("settings", {})
    today = dict(flatten(settings.config))
    same_method = recorded.get("method") == today.get("method")
    # What only one side has is a change of the program, not an option of the run, unless methods differ.
    chosen = {name for name in found if name in recorded and (name in today or not same_method)}
    chosen |= {name for name in found if name in today and not same_method}
    if chosen:
        # Weights are recorded by their hash, so those of the preset stay.
        own = {name: recorded[name] for name in chosen & recorded.keys() if not is_weights(name)}
        config = copy.deepcopy(settings.config)
        config.merge_from_dict(own)
        since = changes_since(artifact, stage, dataclasses.replace(settings, config=config))
        found = {name: words for name, words in since.items() if name not in chosen}
    given = {name: today.get(name, "absent") for name in sorted(chosen)}
    return {
        "why": list(found.values()),
        "differs": [
            f"{name}={_shown(recorded.get(name, 'absent'))} (preset: {_shown(value)})"
            for name, value in given.items()
        ],
    }


def _shown(value: Any) -> str:
    """A setting in a few words; a hash by its first digits."""
    text = str(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."


def _facts(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    imported = manifest.get("imported")
    return {
        "kind": artifact.kind,
        "split": artifact.split,
        "images": len(artifact.ids),
        "mIoU": manifest.get("figures", {}).get("mIoU"),
        "thresholds": manifest.get("thresholds", {}),
        "supervision": manifest.get("supervision"),
        "inputs": _sources(artifact) if imported is None else [f"{imported['format']} files"],
        "finished": manifest.get("finished"),
        "code": manifest.get("code"),
    }


def _sources(artifact: Artifact) -> list[str]:
    """Names of the folders beside the artifact that it was made from; a kind alone where none has the key."""
    keys = {}
    for file in sorted(artifact.dir.parent.glob(f"*/{MANIFEST}")):
        try:
            keys[str(json.loads(file.read_text(encoding="utf-8"))["key"])] = file.parent.name
        except (OSError, ValueError, KeyError, TypeError):
            continue
    inputs = artifact.manifest.get("inputs", {})
    read = {name.removeprefix("input "): key for name, key in inputs.items() if name.startswith("input ")}
    return [keys.get(key, f"{name} that are not here") for name, key in read.items()] or ["dataset"]
