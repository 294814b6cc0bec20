"""What lies in a work folder: published, unfinished, broken or stale, and why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsss.artifacts import MANIFEST, Artifact, open_artifact
from wsss.comparison import shares_of_full_supervision
from wsss.config import Settings
from wsss.engine import stale_reasons
from wsss.errors import ArtifactError, WsssError
from wsss.folder import LEFT, PREVIOUS, UNFINISHED
from wsss.stage import Stage


def describe_work(work_dir: Path, wanted: Mapping[str, tuple[Stage, Settings]]) -> list[dict[str, Any]]:
    """One row for each folder of artifacts in a work folder.

    Args:
        work_dir: ``work/DATASET``.
        wanted: name of a folder -> the stage and the settings that would fill it now.

    Returns:
        Rows with ``name``, ``state`` ("up to date", "published", "stale", "unfinished", "broken"), ``why``
        (list of str), and for what can be read ``kind``, ``split``, ``images``, ``mIoU``, ``thresholds``,
        ``inputs``, ``share_of_full_supervision``, ``finished``, ``code``. "published" is what no preset
        makes: nobody knows if it is stale.
    """
    folders = sorted(
        one
        for one in (work_dir.iterdir() if work_dir.is_dir() else ())
        if one.suffix not in (PREVIOUS, LEFT) and ((one / MANIFEST).is_file() or (one / UNFINISHED).is_file())
    )
    rows = [_describe(folder, wanted.get(folder.name)) for folder in folders]
    shares = shares_of_full_supervision({row["name"]: row.pop("manifest", {}) for row in rows})
    return [{**row, "share_of_full_supervision": shares.get(row["name"], {})} for row in rows]


def _describe(folder: Path, wanted: tuple[Stage, Settings] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": folder.name, "state": "published", "why": []}
    if not (folder / MANIFEST).is_file():
        return {**row, "state": "unfinished", "why": ["the same command continues it"]}
    try:
        artifact = open_artifact(folder)
        row |= _facts(artifact) | {"manifest": artifact.manifest}
        if wanted is not None:
            row["why"] = stale_reasons(artifact, *wanted)
            row["state"] = "stale" if row["why"] else "up to date"
    except ArtifactError as error:
        return {**row, "state": "broken", "why": [str(error)]}
    except WsssError as error:
        return {**row, "why": [str(error)]}
    return row


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
