"""The table of a grid, read from what its jobs published."""

import csv
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.artifacts import MANIFEST, atomic_write
from wsss.cli.grid_jobs import Cell
from wsss.provenance import command

# Column -> kind of the artifact and name of its figure.
OF_MANIFESTS = {
    "seeds mIoU, oracle": ("seeds", "mIoU"),
    "seeds mIoU, fixed": ("seeds", "mIoU_fixed_threshold"),
    "CAM of the same network": ("seeds", "mIoU_own_cam"),
    "masks mIoU": ("masks", "mIoU"),
    "val mIoU": ("segment", "mIoU"),
}
# Column -> start of the rule's name and the accuracy, as `wsss evaluate boxes --json` has them.
OF_BOXES = {
    "GT-known, oracle": ("largest contour (MaxBoxAcc)", "iou_50"),
    "GT-known, fixed": ("largest component", "iou_50"),
    "GT-known, own border": ("border of the method", "iou_50"),
    "MaxBoxAccV2": ("all contours (MaxBoxAccV2)", "mean"),
    "Top-1 Loc": ("largest contour (MaxBoxAcc)", "top1"),
    "whole image, IoU .5": ("baseline: the whole image", "iou_50"),
    "whole image, mean": ("baseline: the whole image", "mean"),
    "best middle, IoU .5": ("baseline: middle, best size", "iou_50"),
    "best middle, mean": ("baseline: middle, best size", "mean"),
}
# Boxes that look at no image: column -> theirs.
BASELINES = {
    "whole image": {"GT-known, fixed": "whole image, IoU .5", "MaxBoxAccV2": "whole image, mean"},
    "best middle": {"GT-known, oracle": "best middle, IoU .5", "MaxBoxAccV2": "best middle, mean"},
}
OF_PIXELS = ("PxAP", "PIoU")
FIGURES = (*OF_MANIFESTS, *OF_BOXES, *OF_PIXELS)
AXES = ("dataset", "method", "refine", "random seed")
_KINDS = ("seeds", "masks", "segment")
_SECONDS = tuple(f"{kind} seconds" for kind in _KINDS)
_ORIGIN = ("settings", "commit", "machine", "command")
COLUMNS = (*AXES, "state", "reason", *FIGURES, *_SECONDS, *_ORIGIN)


def table_rows(cells: Sequence[Cell], failures: Mapping[Path, str]) -> list[dict[str, Any]]:
    """A row for each data set, method, refine method and random seed; figures in percent, None where absent.

    Args:
        cells: of the grid.
        failures: what was not made -> why.

    Returns:
        Rows with `COLUMNS`; ``state`` is done, failed or open, and ``settings`` are those that are not the
        same in all rows of the data set.
    """
    rows: list[dict[str, Any]] = []
    settings = []
    for cell in cells:
        for refine, made in cell.rows.items():
            row: dict[str, Any] = {one: None for one in COLUMNS}
            row |= dict(zip(AXES, (cell.dataset, cell.method, refine, cell.random_seed), strict=True))
            manifests = _manifests(made, failures)
            row |= _figures(manifests)
            reason = next((failures[one] for one in made if one in failures), "")
            is_whole = all(one in failures or one.exists() for one in made) and len(manifests) == len(made)
            row |= {"state": "failed" if reason else "done" if is_whole else "open", "reason": reason}
            row["command"] = command()
            for column, entry in (("commit", "code"), ("machine", "machine")):
                row[column] = "; ".join(sorted({one[entry] for one in manifests.values() if entry in one}))
            rows.append(row)
            settings.append(_settings(manifests))
    for dataset in {row["dataset"] for row in rows}:
        own = [index for index, row in enumerate(rows) if row["dataset"] == dataset]
        for index, text in zip(own, _differing([settings[one] for one in own]), strict=True):
            rows[index]["settings"] = text
    return rows


def _manifests(made: Iterable[Path], failures: Mapping[Path, str]) -> dict[str, Any]:
    """Kind (``boxes`` for scores of boxes) -> what a job wrote about itself, where it did."""
    found = {}
    for path in made:
        file = path if path.suffix == ".json" else path / MANIFEST
        if path not in failures and file.is_file():
            found[path.name.partition("-")[0]] = json.loads(file.read_text())
    return found


def _figures(manifests: Mapping[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for column, (kind, name) in OF_MANIFESTS.items():
        value = manifests.get(kind, {}).get("figures", {}).get(name)
        figures[column] = None if value is None else round(100 * value, 2)
    boxes = manifests.get("boxes", {})
    for column, (rule, name) in OF_BOXES.items():
        found = (one[name] for one in boxes.get("boxes", ()) if one["rule"].startswith(rule))
        value = next(found, None)
        figures[column] = None if value is None else round(value, 2)
    for name in OF_PIXELS:
        value = boxes.get("pixels", {}).get(name)
        figures[name] = None if value is None else round(value, 2)
    return figures | {f"{kind} seconds": manifests.get(kind, {}).get("seconds") for kind in _KINDS}


def _settings(manifests: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{kind}.{name}": json.dumps(value)
        for kind in _KINDS
        for name, value in manifests.get(kind, {}).get("settings", {}).items()
        if name != "random_seed"
    }


def _differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Of each row the settings that another row with the same stage has otherwise, or has not."""
    values: dict[str, set[str]] = {}
    for one in settings:
        for name, value in one.items():
            values.setdefault(name, set()).add(value)
    for name in list(values):
        kind = name.partition(".")[0]
        if any(name not in one and f"{kind}.dataset.name" in one for one in settings):
            values[name].add("absent")
    return [
        "; ".join(f"{name}={one[name]}" for name in sorted(one) if len(values[name]) > 1) for one in settings
    ]


def write_table(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write rows as CSV; columns of figures that no row has are left out."""
    columns = [one for one in COLUMNS if one not in FIGURES or any(row[one] is not None for row in rows)]
    with atomic_write(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of finished rows that differ in the random seed alone, the mean of each figure and its deviation.

    Returns:
        Rows with dataset, method, refine, ``random seeds`` (how many) and figure -> (mean, deviation); the
        deviation is None for one random seed.
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["state"] == "done":
            groups.setdefault(tuple(row[one] for one in AXES[:3]), []).append(row)
    found = []
    for key, group in groups.items():
        own: dict[str, Any] = {**dict(zip(AXES[:3], key, strict=True)), "random seeds": len(group)}
        for name in FIGURES:
            values = [row[name] for row in group if row[name] is not None]
            if len(values) == len(group):
                spread = statistics.stdev(values) if len(values) > 1 else None
                own[name] = (statistics.mean(values), spread)
        found.append(own)
    return found
