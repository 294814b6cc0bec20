"""Collects what work folders hold and fills the page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from wsss.artifacts import Seed, atomic_write, read_seed
from wsss.datasets import DataSet
from wsss.errors import WsssError
from wsss.report import sections
from wsss.report.curves import Scored, score_entry
from wsss.report.entries import figures_of, open_entries, scored_ids
from wsss.report.gallery import Gallery, make_gallery
from wsss.report.layers import Entry
from wsss.report.tables import figure_rows, percent
from wsss.report.warnings import warnings_of


def write_report(
    work_dirs: Mapping[str, Path],
    out: Path,
    *,
    dataset: DataSet | None,
    pictures: int = 48,
    side: int = 320,
    scored: int = 500,
    read_walk: Callable[[Path], Seed] = read_seed,
    differences: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Write the page of a work folder, or of several side by side.

    Args:
        work_dirs: what stands before names on the page -> ``work/DATASET`` or one published folder; of a
            single one nothing ("").
        out: the HTML file; one file, no others beside it.
        dataset: where the images are; None leaves out pictures and all that only ground truth tells.
        pictures: images shown for each split.
        side: longer side of the pictures in pixels.
        scored: images of each artifact that threshold curves and confusions are computed from, at most.
        read_walk: reads the soft scores that masks were cut from.
        differences: lines on what differs between the folders.

    Returns:
        Name of each artifact on the page -> its figures; none where there is no ground truth.

    Raises:
        ArtifactError: nothing is published in a folder, or the page cannot be written.
    """
    entries: list[Entry] = []
    broken: list[str] = []
    for name, folder in work_dirs.items():
        own, faulty = open_entries(folder, prefix=f"{name}: " if name else "")
        entries += own
        broken += faulty
    measured, problems = measure(entries, dataset, scored, read_walk)
    figures = {one.name: figures_of(one, measured.get(one.name)) for one in entries}
    gallery, reason = _draw(entries, dataset, pictures, side)
    names = [name for name, one in figures.items() if one]
    rows = figure_rows({name: figures[name] for name in names})
    text = (
        _environment()
        .get_template("page.html")
        .render(
            title=" and ".join(folder.name for folder in work_dirs.values()),
            folders=work_dirs,
            warnings=[*warnings_of(entries, figures, gallery.foreground), *problems],
            broken=broken,
            differences=differences,
            columns=sections.artifact_columns(entries, figures, measured, out.parent),
            names=names,
            rows=rows,
            files=sections.figure_files(names, rows),
            percent=percent,
            charts=sections.make_charts(entries, figures, measured),
            matrices=[sections.confusions_of(name, one.scores) for name, one in measured.items()],
            gallery=gallery,
            no_pictures=reason,
            legend=sections.make_legend(entries, dataset),
        )
    )
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return figures


def measure(
    entries: Sequence[Entry],
    dataset: DataSet | None,
    scored: int,
    read_walk: Callable[[Path], Seed] = read_seed,
) -> tuple[dict[str, Scored], list[str]]:
    """Score every entry anew on some of its images with ground truth.

    Returns:
        Name of an entry -> its scores, without those that have no ground truth; and what went wrong.
    """
    measured: dict[str, Scored] = {}
    problems = []
    for one in entries:
        ids = scored_ids(one, dataset, scored)
        if dataset is None or not ids:
            continue
        try:
            measured[one.name] = score_entry(one, dataset, ids, read_walk=read_walk)
        except (WsssError, ValueError) as error:
            problems.append(f"{one.name}: not scored: {error}")
    return measured, problems


def known_figures(
    entries: Sequence[Entry], dataset: DataSet | None, scored: int
) -> dict[str, dict[str, Any]]:
    """Name of an entry -> its figures: as published, else measured where there is ground truth."""
    unscored = [one for one in entries if not figures_of(one, None)]
    measured, _ = measure(unscored, dataset, scored)
    return {one.name: figures_of(one, measured.get(one.name)) for one in entries}


def _draw(entries: Sequence[Entry], dataset: DataSet | None, pictures: int, side: int) -> tuple[Gallery, str]:
    """The gallery; where there can be none, the reason."""
    if dataset is None:
        return Gallery(), "The data set is not here, so there are no pictures."
    try:
        return make_gallery(entries, dataset, pictures=pictures, side=side), ""
    except WsssError as error:
        return Gallery(), f"No pictures: {error}"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        # All names come from outside: whatever is not marked as markup is escaped.
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
