"""What lies in a work folder: published, unfinished, broken or stale, and why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wsss.artifacts import MANIFEST, Artifact, open_artifact
from wsss.errors import ArtifactError, WsssError
from wsss.stage import UNFINISHED, Stage, stale_reasons


def describe_work(work_dir: Path, wanted: Mapping[str, tuple[Stage, Config]]) -> list[dict[str, Any]]:
    """One row for each folder of artifacts in a work folder.

    Args:
        work_dir: ``work/DATASET``.
        wanted: name of a folder -> the stage and the config that would fill it now.

    Returns:
        Rows with ``name``, ``state`` ("up to date", "published", "stale", "unfinished", "broken"), ``why``
        (list of str), and for what can be read ``kind``, ``split``, ``images``, ``mIoU``, ``thresholds``,
        ``inputs``, ``finished``, ``code``. "published" is what no preset makes: nobody knows if it is stale.
    """
    folders = sorted(
        one
        for one in (work_dir.iterdir() if work_dir.is_dir() else ())
        if one.suffix != ".previous" and ((one / MANIFEST).is_file() or (one / UNFINISHED).is_file())
    )
    return [_describe(folder, wanted.get(folder.name)) for folder in folders]


def _describe(folder: Path, wanted: tuple[Stage, Config] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": folder.name, "state": "published", "why": []}
    if not (folder / MANIFEST).is_file():
        return {**row, "state": "unfinished", "why": ["the same command continues it"]}
    try:
        artifact = open_artifact(folder)
        row |= _facts(artifact)
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
    return [
        kind if kind == "dataset" else keys.get(key, f"{kind} that are not here")
        for kind, key in inputs.items()
    ]
