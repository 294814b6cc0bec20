"""The parts of a page that come from manifests and scores: table, charts, confusions, legend."""

import base64
import functools
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from wsss.artifacts import MANIFEST, voc_palette
from wsss.comparison import shares_of_full_supervision
from wsss.datasets import DataSet
from wsss.evaluate import Scores
from wsss.report import charts
from wsss.report.curves import Scored, log_of, losses_of
from wsss.report.layers import Entry
from wsss.report.pictures import ERRORS, heat_colours
from wsss.report.tables import as_csv, as_latex, percent
from wsss.thresholds import Threshold

_MOST_CLASSES_IN_MATRIX = 40
_LARGEST_CONFUSIONS = 12
# Beside what is published, where a reader may want to look.
_FILES = (MANIFEST, "scores.md", "config.py")


def artifact_columns(
    entries: Sequence[Entry],
    figures: Mapping[str, Mapping[str, Any]],
    measured: Mapping[str, Scored],
    page_dir: Path,
) -> list[tuple[str, list[Any]]]:
    """The table of the run: (head, one cell per entry); a cell is text or a list of lines or links.

    Columns in which no entry has anything are left out.
    """
    shares = shares_of_full_supervision({one.name: one.artifact.manifest for one in entries})
    manifests = [one.artifact.manifest for one in entries]
    columns: list[tuple[str, list[Any]]] = [
        ("artifact", [one.name for one in entries]),
        ("mIoU", [percent(figures[one.name].get("mIoU")).replace("-", "") for one in entries]),
        ("split", [one.artifact.split for one in entries]),
        ("images", [str(len(one.artifact.ids)) for one in entries]),
        (
            "thresholds and supervision",
            [
                [
                    *_origin(one.artifact.manifest),
                    *_found_here(measured.get(one.name)),
                    *(f"{100 * share:.0f} % of {name}" for name, share in shares.get(one.name, {}).items()),
                ]
                for one in entries
            ],
        ),
        ("initial weights", [str(one.get("initialisation") or "") for one in manifests]),
        ("finished", [str(one.get("finished") or "").replace("T", " ")[:16] for one in manifests]),
        ("minutes", [_minutes(one.get("seconds")) for one in manifests]),
        ("code", [str(one.get("code") or "") for one in manifests]),
        ("files", [_links(one, page_dir) for one in entries]),
    ]
    return [(head, cells) for head, cells in columns if any(cells)]


def _origin(manifest: Mapping[str, Any]) -> list[str]:
    """Each threshold with who chose it, the supervision of a network, where imported files are from."""
    lines = [
        f"{name} {Threshold.of_json(value) or value}"
        for name, value in manifest.get("thresholds", {}).items()
    ]
    if manifest.get("supervision"):
        lines.append(f"trained on {manifest['supervision']}")
    if manifest.get("imported"):
        lines.append(f"imported from {manifest['imported']['format']} files")
    return lines


def _found_here(measured: Scored | None) -> list[str]:
    """The threshold of seeds that publish none."""
    return [] if measured is None or measured.threshold is None else [f"seed {measured.threshold}"]


def _minutes(seconds: float | None) -> str:
    return "" if not seconds else f"{seconds / 60:.1f}"


def _links(entry: Entry, page_dir: Path) -> list[dict[str, str]]:
    """The log and other files of an entry, by paths that hold wherever the folder is moved as a whole."""
    files = [log_of(entry), *(entry.artifact.dir / name for name in _FILES)]
    return [
        {
            "text": "log" if file.suffix == ".log" else file.name,
            "href": urllib.parse.quote(Path(os.path.relpath(file, page_dir)).as_posix()),
        }
        for file in files
        if file.is_file()
    ]


def figure_files(
    names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]
) -> list[dict[str, str]]:
    """The figures as files to save, inside the page."""
    if not rows:
        return []
    texts = {"figures.csv": as_csv(names, rows), "figures.tex": as_latex(names, rows)}
    return [
        {
            "name": name,
            "href": "data:text/plain;base64," + base64.b64encode(text.encode()).decode("ascii"),
        }
        for name, text in texts.items()
    ]


def make_charts(
    entries: Sequence[Entry],
    figures: Mapping[str, Mapping[str, Any]],
    measured: Mapping[str, Scored],
) -> dict[str, list[dict[str, Any]]]:
    """Charts by section, each as an SVG and a caption."""
    scores = {name: one["per_class_iou"] for name, one in figures.items() if one.get("per_class_iou")}
    classes = list(dict.fromkeys(name for per_class in scores.values() for name in per_class))
    sections: dict[str, list[dict[str, Any]]] = {"classes": [], "thresholds": [], "losses": []}
    if classes:
        drawn = charts.svg(
            lambda axes: charts.draw_class_bars(axes, scores, classes),
            size=charts.class_bars_size(scores, classes),
            title="IoU per class",
        )
        sections["classes"].append({"svg": Markup(drawn), "caption": ""})
    curves = [curve for one in measured.values() for curve in one.curves]
    if curves:
        images = sorted({f"{curve.images} images" for curve in curves})
        drawn = charts.svg(
            lambda axes: charts.draw_threshold_curves(axes, curves),
            size=(7, 3.6),
            title="mIoU over thresholds",
        )
        chosen = "; ".join(f"{curve.name} {curve.chosen}" for curve in curves)
        caption = f"Computed from stored maps of {' and '.join(images)}. Marked: {chosen}."
        sections["thresholds"].append({"svg": Markup(drawn), "caption": caption})
    for name, trainings in losses_of(entries).items():
        for what, terms in trainings.items():
            drawn = charts.svg(
                functools.partial(charts.draw_losses, terms=terms),
                size=(5, 2.8),
                title=f"losses of {name}: {what}",
            )
            sections["losses"].append({"svg": Markup(drawn), "caption": f"{name}: {what}"})
    return sections


def confusions_of(name: str, scores: Scores) -> dict[str, Any]:
    """A confusion matrix in percent of each true class, and the largest confusions in words.

    Args:
        name: of the entry.
        scores: rows truth, columns prediction.
    """
    names = ("background", *scores.classes)
    counts = scores.confusion
    present = [i for i in range(len(names)) if counts[i].sum() or counts[:, i].sum()]
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = 100 * counts / totals
    pairs = [(i, j) for i in present for j in present if i != j and counts[i, j]]
    pairs.sort(key=lambda pair: -counts[pair])
    all_pixels = max(int(counts.sum()), 1)
    rows = []
    if len(present) <= _MOST_CLASSES_IN_MATRIX:
        rows = [{"name": names[i], "cells": [float(shares[i, j]) for j in present]} for i in present]
    return {
        "name": name,
        "images": scores.images,
        "heads": [names[i] for i in present],
        "rows": rows,
        "largest": [
            {
                "truth": names[i],
                "prediction": names[j],
                "share": float(shares[i, j]),
                "of_all": 100 * float(counts[i, j]) / all_pixels,
            }
            for i, j in pairs[:_LARGEST_CONFUSIONS]
        ],
    }


def make_legend(entries: Sequence[Entry], dataset: DataSet | None) -> dict[str, Any]:
    """Colours of labels, errors and soft maps, as CSS writes them."""
    palette = voc_palette()
    classes = dataset.classes if dataset is not None else entries[0].artifact.manifest.get("classes", ())
    heat = [_css(colour[:3]) for colour in heat_colours()]
    return {
        "classes": [
            {"name": name, "label": i, "colour": _css(palette[i])} for i, name in enumerate(classes, start=1)
        ],
        "errors": [{"name": name, "colour": _css(colour)} for name, colour in ERRORS.values()],
        "heat": f"linear-gradient(to right, {', '.join(heat)})",
    }


def _css(colour: Sequence[int]) -> str:
    return f"rgb({', '.join(str(int(one)) for one in colour[:3])})"
