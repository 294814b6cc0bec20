"""Two runs side by side: which artifacts belong together, their figures, and what was set differently."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wsss.keys import changes
from wsss.report.layers import Entry
from wsss.report.tables import figure_rows

# Of a manifest's inputs that differ, the data say most: keys of artifacts follow from those.
_MOST = 30


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two artifacts that belong together.

    Attributes:
        name: of the folder; "A and B" of two folders that were named themselves.
        first: of the first run.
        second: of the second run.
    """

    name: str
    first: Entry
    second: Entry


def pair_up(first: Sequence[Entry], second: Sequence[Entry]) -> list[Pair]:
    """Pair artifacts of two runs: by the names of their folders, or two single ones of one kind."""
    if len(first) == len(second) == 1 and first[0].artifact.kind == second[0].artifact.kind:
        names = list(dict.fromkeys((first[0].artifact.dir.name, second[0].artifact.dir.name)))
        return [Pair(" and ".join(names), first[0], second[0])]
    beside = {one.artifact.dir.name: one for one in second}
    return [
        Pair(one.artifact.dir.name, one, beside[one.artifact.dir.name])
        for one in first
        if one.artifact.dir.name in beside
    ]


def compare_figures(pair: Pair, figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Figures of a pair.

    Args:
        pair: two artifacts.
        figures: name of an entry -> its figures.

    Returns:
        Rows of ``figure``, ``A``, ``B`` and ``difference`` (B - A), in [0, 1]; None where one has none.
    """
    both = {one.name: figures.get(one.name, {}) for one in (pair.first, pair.second)}
    rows = []
    for name, (before, after) in figure_rows(both):
        difference = None if before is None or after is None else round(after - before, 6)
        rows.append({"figure": name, "A": before, "B": after, "difference": difference})
    return rows


def differing_settings(pair: Pair) -> list[str]:
    """What was set differently, or read from other files, for two artifacts; in words."""
    before, after = pair.first.artifact.manifest, pair.second.artifact.manifest
    # Of artifacts from elsewhere nobody knows the settings.
    if "settings" not in before or "settings" not in after:
        return []
    found = list(changes(before, {"stage_schema": None, "inputs": {}, **after}).values())
    if before.get("split") != after.get("split"):
        found.insert(0, f"split: {before.get('split')} -> {after.get('split')}")
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return [f"{pair.name}: {one}" for one in [*found[:_MOST], *more]]
