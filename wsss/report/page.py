"""Collects what a work folder holds and fills the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from wsss.artifacts import MANIFEST, Artifact, atomic_write, open_artifact, read_mask, read_seed
from wsss.comparison import shares_of_full_supervision
from wsss.datasets import DataSet
from wsss.errors import ArtifactError, WsssError
from wsss.folder import LEFT, PREVIOUS
from wsss.images import read_image
from wsss.report.pictures import chart_classes, draw_labels, draw_seed, embed_image
from wsss.thresholds import Threshold

_ORDER = ("seeds", "masks", "segment")


def write_report(work_dir: Path, out: Path, *, dataset: DataSet | None, pictures: int = 6) -> list[str]:
    """Write the page of a work folder.

    Args:
        work_dir: ``work/DATASET``.
        out: the HTML file; one file, no others beside it.
        dataset: where the images are; None leaves the pictures out.
        pictures: images shown for each split.

    Returns:
        Names of the artifacts on the page.

    Raises:
        ArtifactError: nothing is published in the folder, or the page cannot be written.
    """
    artifacts, broken = _open_all(work_dir)
    if not artifacts:
        raise ArtifactError(
            f"expected published artifacts in {work_dir}, found none: run a stage"
            + (f" ({broken[0]})" if broken else "")
        )
    scores = {
        one.dir.name: one.manifest["figures"]["per_class_iou"]
        for one in artifacts
        if one.manifest.get("figures", {}).get("per_class_iou")
    }
    classes = list(dict.fromkeys(name for per_class in scores.values() for name in per_class))
    shares = shares_of_full_supervision({one.dir.name: one.manifest for one in artifacts})
    groups, reason = _pictures(artifacts, dataset, pictures)
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("page.html").render(
        title=f"{work_dir.name}: seeds, masks and predictions",
        rows=[_row(one, shares.get(one.dir.name, {})) for one in artifacts],
        broken=broken,
        classes=classes,
        scores=scores,
        percent=_percent,
        chart=Markup(chart_classes(scores, classes)) if classes else "",
        pictures=groups,
        no_pictures=reason,
    )
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [one.dir.name for one in artifacts]


def _open_all(work_dir: Path) -> tuple[list[Artifact], list[str]]:
    """What is published, stage by stage, and what is wrong with the rest."""
    artifacts, broken = [], []
    for file in sorted(work_dir.glob(f"*/{MANIFEST}")):
        if file.parent.suffix in (PREVIOUS, LEFT):
            continue
        try:
            artifacts.append(open_artifact(file.parent))
        except ArtifactError as error:
            broken.append(str(error))
    return sorted(artifacts, key=lambda one: (_ORDER.index(one.kind), one.dir.name)), broken


def _row(artifact: Artifact, shares: Mapping[str, float]) -> dict[str, Any]:
    manifest = artifact.manifest
    reached = [f"{100 * share:.0f} % of {name}" for name, share in shares.items()]
    return {
        "name": artifact.dir.name,
        "score": _percent(manifest.get("figures", {}).get("mIoU")),
        "split": artifact.split,
        "images": len(artifact.ids),
        "origin": [*_origin(manifest), *reached],
        "initialisation": manifest.get("initialisation", ""),
        "finished": manifest.get("finished", ""),
        "code": manifest.get("code", ""),
    }


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


def _pictures(
    artifacts: Sequence[Artifact], dataset: DataSet | None, count: int
) -> tuple[list[dict[str, Any]], str]:
    """A group of pictures for each split; where none can be shown, the reason."""
    if dataset is None:
        return [], "The data set is not here, so there are no pictures."
    groups = []
    try:
        for split in dict.fromkeys(one.split for one in artifacts):
            shown = [one for one in artifacts if one.split == split]
            ids = _spread(shown[0].ids, count)
            columns = ["image", *(one.dir.name for one in shown), "ground truth"]
            groups.append({"columns": columns, "lines": [_line(one, shown, dataset) for one in ids]})
    except WsssError as error:
        return [], f"No pictures: {error}"
    return groups, ""


def _spread(ids: Sequence[str], count: int) -> list[str]:
    """Up to ``count`` ids, evenly spread over all of them."""
    return [ids[number * len(ids) // count] for number in range(count)] if len(ids) > count else list(ids)


def _line(image_id: str, shown: Sequence[Artifact], dataset: DataSet) -> dict[str, Any]:
    image = read_image(dataset.image_file(image_id))
    cells = [embed_image(image)]
    for artifact in shown:
        if image_id not in artifact.ids:
            cells.append("")
        elif artifact.kind == "seeds":
            cells.append(embed_image(draw_seed(image, read_seed(artifact.file(image_id)))))
        else:
            mask = read_mask(artifact.file(image_id), size=image.shape[:2])
            cells.append(embed_image(draw_labels(image, mask)))
    if dataset.mask_path(image_id) is None:
        cells.append("")
    else:
        cells.append(embed_image(draw_labels(image, dataset.truth(image_id, size=image.shape[:2]))))
    tags = ", ".join(dataset.classes[label - 1] for label in dataset.tags(image_id))
    return {"image_id": image_id, "cells": cells, "tags": tags or "no tags"}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
