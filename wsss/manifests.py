"""What a manifest must hold before anyone relies on it; it may come from a stranger."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsss.errors import ArtifactError

# Entry with the hash of all others.
DIGEST = "digest"
# Entries with the type that they have where they are there.
_TABLES = ("settings", "inputs", "read", "figures", "thresholds", "imported", "masks", "files")
_TEXTS = (
    "name",
    "dataset",
    "key",
    "split",
    "supervision",
    "network",
    "initialisation",
    "finished",
    "code",
    "machine",
    "command",
    DIGEST,
)
_REQUIRED = ("key", "split")


def check_manifest(manifest: Mapping[str, Any], file: Path) -> None:
    """Refuse entries of other types than ours, and names that lead out of the folder.

    Args:
        manifest: the parsed JSON, with all entries that a manifest needs.
        file: where it was read, for the message.

    Raises:
        ArtifactError: an entry is not what it should be.
    """
    for name, kind, what in (
        *((one, Mapping, "a table") for one in _TABLES),
        *((one, str, "text") for one in _TEXTS),
    ):
        value = manifest.get(name)
        if not isinstance(value, kind) and not (value is None and name not in _REQUIRED):
            raise _refusal(f"{what} as {name!r}", value, file)
    for name in ("image_ids", "classes"):
        value = manifest.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _refusal(f"a list of text as {name!r}", value, file)
    outside = [one for one in manifest["image_ids"] if not is_inside(one)]
    if outside:
        raise ArtifactError(
            f"expected image ids that stay in their folder in {file}, got {outside[0]!r}: "
            "do not use this folder"
        )
    if not is_inside(manifest["split"]) or "/" in manifest["split"]:
        raise _refusal("a split's name without folders", manifest["split"], file)
    _check_figures(manifest.get("figures") or {}, file)
    for name, digest in (manifest.get("files") or {}).items():
        if not is_inside(name) or not isinstance(digest, str):
            raise _refusal("files inside the folder, each with its hash,", {name: digest}, file)


def seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the hash of its entries as the last of them: damage to any of them shows."""
    # As it will be read: JSON has no tuples, and text alone as names.
    entries = json.loads(json.dumps({name: value for name, value in manifest.items() if name != DIGEST}))
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    return {**entries, DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def check_seal(manifest: Mapping[str, Any], file: Path) -> None:
    """Refuse a manifest that is not what was published.

    One that was written by hand or before manifests had hashes has neither ``files`` nor ``digest``, and none
    of it is checked.

    Raises:
        ArtifactError: its hash is another one, or is gone.
    """
    if ("files" in manifest or DIGEST in manifest) and seal(manifest)[DIGEST] != manifest.get(DIGEST):
        raise ArtifactError(
            f"expected {file} as it was published, got other content: wsss repair restores it from its copy"
        )


def is_inside(name: str) -> bool:
    """Whether a name is that of a file in a folder or below it: no root, no ``..``, no control characters.

    >>> is_inside("2007/cat"), is_inside("../cat"), is_inside("/cat"), is_inside("")
    (True, False, False, False)
    """
    odd = "\\" in name or any(ord(sign) < 32 for sign in name)
    return bool(name) and not odd and not name.startswith("/") and ".." not in name.split("/")


def _check_figures(figures: Mapping[str, Any], file: Path) -> None:
    """MIoU and the IoUs of the classes are what tables and pages compute with."""
    per_class = figures.get("per_class_iou") or {}
    if not isinstance(per_class, Mapping):
        raise _refusal("a table as 'per_class_iou'", per_class, file)
    for name, value in {"mIoU": figures.get("mIoU"), **per_class}.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not is_number:
            raise _refusal(f"a finite number as {name!r}", value, file)


def _refusal(expected: str, found: Any, file: Path) -> ArtifactError:
    shown = repr(found)
    return ArtifactError(
        f"expected {expected} in {file}, got {shown if len(shown) < 80 else type(found).__name__}: "
        "do not use this folder, or run the stage again"
    )
