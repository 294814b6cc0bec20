"""Opens what a work folder holds, for a page or a comparison."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsss.artifacts import MANIFEST, Artifact, open_artifact
from wsss.datasets import DataSet
from wsss.errors import ArtifactError
from wsss.folder import manifests_in
from wsss.report.curves import Scored
from wsss.report.layers import Entry

_ORDER = ("seeds", "masks", "segment")


def open_entries(work_dir: Path, *, prefix: str = "") -> tuple[list[Entry], list[str]]:
    """What is published in a work folder, stage by stage, and what is wrong with the rest.

    Args:
        work_dir: ``work/DATASET``, or one published folder.
        prefix: before each name, to tell runs apart.

    Raises:
        ArtifactError: nothing is published there.
    """
    artifacts: list[Artifact] = []
    broken: list[str] = []
    for file in manifests_of(work_dir):
        try:
            artifacts.append(open_artifact(file.parent))
        except ArtifactError as error:
            broken.append(str(error))
    if not artifacts:
        raise ArtifactError(
            f"expected published artifacts in {work_dir}, found none: run a stage"
            + (f" ({broken[0]})" if broken else "")
        )
    artifacts.sort(key=lambda one: (_ORDER.index(one.kind), one.dir.name))
    return [Entry(f"{prefix}{one.dir.name}", one) for one in artifacts], broken


def manifests_of(folder: Path) -> list[Path]:
    """Manifests of what is published in a work folder, or of the folder itself where it is published."""
    own = folder / MANIFEST
    return [own] if own.is_file() else manifests_in(folder)


def dataset_name(work_dir: Path) -> str | None:
    """Name of the preset that a folder's artifacts were made from, as their manifests say."""
    for file in manifests_of(work_dir):
        try:
            name = json.loads(file.read_text(encoding="utf-8")).get("dataset")
        except (OSError, ValueError, AttributeError):
            continue
        if name:
            return str(name)
    return None


def spread(ids: Sequence[str], count: int) -> list[str]:
    """Up to ``count`` ids, evenly spread over all of them.

    >>> spread("abcdef", 3)
    ['a', 'c', 'e']
    """
    return [ids[number * len(ids) // count] for number in range(count)] if len(ids) > count else list(ids)


def published_figures(entry: Entry) -> dict[str, Any]:
    """Figures of an entry's manifest; empty where nobody scored it."""
    figures = entry.artifact.manifest.get("figures", {})
    return dict(figures) if figures.get("mIoU") is not None else {}


def scored_ids(entry: Entry, dataset: DataSet | None, most: int) -> list[str]:
    """Images of an entry with ground truth, at most some of them, evenly spread."""
    if dataset is None:
        return []
    with_truth = [one for one in entry.artifact.ids if dataset.mask_path(one) is not None]
    return spread(with_truth, most)


def figures_of(entry: Entry, measured: Scored | None) -> dict[str, Any]:
    """Figures of an entry: as published, else as measured here."""
    published = published_figures(entry)
    return published or ({} if measured is None else measured.scores.figures())
