"""What people should know before they believe a run: from its logs, manifests and files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wsss.report.curves import log_of, read_warnings
from wsss.report.layers import Entry

# Shares of the pixels beyond which masks are most likely of no use.
_ALL, _NONE = 0.95, 0.01


def warnings_of(
    entries: Sequence[Entry],
    figures: Mapping[str, Mapping[str, Any]],
    foreground: Mapping[str, Sequence[float]],
) -> list[str]:
    """Collect the warnings of a run, each with the name of what it is about.

    Args:
        entries: what is on the page.
        figures: name of an entry -> its figures.
        foreground: name of an entry -> share of the pixels with a class, for each picture that was read.
    """
    found = [f"{one.name}: {text}" for one in entries for text in read_warnings(log_of(one))]
    kinds = {one.name: one.artifact.kind for one in entries}
    for name, shares in foreground.items():
        has_threshold = kinds.get(name) != "segment"
        found += [f"{name}: {text}" for text in _of_shares(shares, has_threshold=has_threshold)]
    for one in entries:
        found += [f"{one.name}: {text}" for text in _of_figures(figures.get(one.name, {}))]
        found += [f"{one.name}: {text}" for text in _of_manifest(one, entries)]
    return list(dict.fromkeys([*found, *_of_refining(entries, figures), *_of_code(entries)]))


def _of_code(entries: Sequence[Entry]) -> list[str]:
    """Code that nobody can look up, in one line for each commit that was changed."""
    names: dict[str, list[str]] = {}
    for one in entries:
        code = str(one.artifact.manifest.get("code", ""))
        if code.endswith("+changes"):
            names.setdefault(code, []).append(one.name)
    return [f"{', '.join(own)}: made by uncommitted code ({code})" for code, own in names.items()]


def _of_refining(entries: Sequence[Entry], figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Masks that are worse than the seeds that they were made from."""
    scores = {one.artifact.key: (one.name, figures.get(one.name, {}).get("mIoU")) for one in entries}
    texts = []
    for one in entries:
        key = one.artifact.manifest.get("inputs", {}).get("input seeds", "")
        seeds, before = scores.get(key, ("", None))
        after = figures.get(one.name, {}).get("mIoU")
        if one.artifact.kind == "masks" and before is not None and after is not None and after < before:
            texts.append(f"{one.name}: mIoU {100 * after:.1f}, below the {100 * before:.1f} of {seeds}")
    return texts


def _of_shares(shares: Sequence[float], *, has_threshold: bool) -> list[str]:
    """What the shares of foreground of several images say."""
    if not shares:
        return []
    mean = float(np.mean(shares))
    if mean > _ALL:
        reason = ": the threshold is too low" if has_threshold else ""
        return [f"{100 * mean:.0f} % of the pixels are foreground{reason}"]
    if mean < _NONE:
        reason = ": the threshold is too high" if has_threshold else ""
        return [f"{100 * mean:.1f} % of the pixels are foreground{reason}"]
    full, empty = (np.asarray(shares) > _ALL).sum(), (np.asarray(shares) == 0).sum()
    texts = []
    if full:
        texts.append(f"{full} of {len(shares)} images are nearly all foreground")
    if empty:
        texts.append(f"{empty} of {len(shares)} images have no foreground")
    return texts


def _of_figures(figures: Mapping[str, Any]) -> list[str]:
    lost = [name for name, value in (figures.get("per_class_iou") or {}).items() if value == 0]
    return [f"classes never right: {', '.join(lost)}"] if lost else []


def _of_manifest(entry: Entry, entries: Sequence[Entry]) -> list[str]:
    """Inputs that are no longer those beside it."""
    manifest = entry.artifact.manifest
    texts = []
    folder = entry.artifact.dir.parent
    beside = {one.artifact.dir.name: one.artifact for one in entries if one.artifact.dir.parent == folder}
    for name, key in manifest.get("inputs", {}).items():
        source = beside.get(name.removeprefix("input "))
        if name.startswith("input ") and source is not None and source.key != key:
            texts.append(f"made from other {source.dir.name} than those beside it: run the stage again")
    return texts
