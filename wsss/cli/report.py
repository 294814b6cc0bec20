"""``wsss report`` and ``wsss compare``: pages to look at, and figures as CSV and LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from wsss.artifacts import MANIFEST, atomic_write, open_artifact
from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, console, from_here, is_there, print_json, with_root
from wsss.config import flatten, load_dataset_settings
from wsss.datasets import DataSet, build_dataset
from wsss.errors import ConfigError, WsssError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from wsss.report.compare import Pair

Pictures = Annotated[int, typer.Option(min=0, help="Images shown for each split.")]
Side = Annotated[int, typer.Option(min=64, help="Longer side of the pictures in pixels.")]
Scored = Annotated[
    int, typer.Option(min=1, help="Images that threshold curves and confusions are computed from, at most.")
]
Csv = Annotated[Path | None, typer.Option(help="Write the figures here as CSV too.")]
Latex = Annotated[Path | None, typer.Option(help="Write the figures here as a LaTeX table too.")]
_MOST_SETTINGS = 12


@app.command(epilog="Example: wsss report voc")
def report(
    dataset: Annotated[str, typer.Argument(help="A preset's name.")],
    work_dir: Annotated[Path | None, typer.Option(help="Default: work/DATASET")] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file. Default: WORK_DIR/report.html")] = None,
    pictures: Pictures = 48,
    side: Side = 320,
    scored: Scored = 500,
    csv: Csv = None,
    latex: Latex = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page of a run: warnings, figures, thresholds, losses, confusions, and a gallery.

    The gallery shows maps, labels, edges, ground truth and errors of each image as layers. One file, to be
    opened in any browser or sent to anyone.
    """
    # Here, because matplotlib takes its time and few verbs need it.
    from refine.infer import read_walk
    from wsss.report import write_report
    from wsss.report.entries import open_entries

    folder = from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    file = from_here(out) or folder / "report.html"
    open_entries(folder)  # before a data set is looked for
    data = open_dataset(dataset, folder, with_root(cfg_options, data_root))
    figures = write_report(
        {"": folder},
        file,
        dataset=data,
        pictures=pictures,
        side=side,
        scored=scored,
        read_walk=read_walk,
    )
    _write_figures(figures, from_here(csv), from_here(latex))
    if as_json:
        print_json({"file": str(file), "artifacts": list(figures)})
    else:
        logger.info("the page is %s (%.1f MB)", file, file.stat().st_size / 1e6)


@app.command(epilog="Example: wsss compare work/demo work/demo-b --page compare.html")
def compare(
    first: Annotated[
        Path, typer.Argument(callback=is_there, metavar="A", help="A work folder, or one published folder.")
    ],
    second: Annotated[Path, typer.Argument(callback=is_there, metavar="B", help="Another one.")],
    page: Annotated[
        Path | None, typer.Option(help="Write an HTML page here, with both in one gallery.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A preset's name. Default: what A was made from.")
    ] = None,
    pictures: Pictures = 48,
    side: Side = 320,
    scored: Scored = 500,
    csv: Csv = None,
    latex: Latex = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Set two runs side by side: figures, classes, what was set differently; with --page also pictures.

    Artifacts whose folders have the same name belong together; two published folders belong together in any
    case. What nobody scored yet is scored where there is ground truth.
    """
    from refine.infer import read_walk
    from wsss.report import write_report
    from wsss.report.compare import compare_figures, differing_settings, pair_up
    from wsss.report.entries import dataset_name, open_entries
    from wsss.report.page import known_figures

    folders = {"A": first.expanduser().absolute(), "B": second.expanduser().absolute()}
    opened = {name: open_entries(folder, prefix=f"{name}: ")[0] for name, folder in folders.items()}
    pairs = pair_up(opened["A"], opened["B"])
    if not pairs:
        found = {name: [one.artifact.dir.name for one in own] for name, own in opened.items()}
        raise ConfigError(
            f"expected artifacts of one name in both folders, got {', '.join(found['A'])} in A and "
            f"{', '.join(found['B'])} in B: name two published folders of one kind"
        )
    preset = dataset or dataset_name(folders["A"])
    data = None if preset is None else open_dataset(preset, folders["A"], with_root(cfg_options, data_root))
    figures = known_figures([*opened["A"], *opened["B"]], data, scored)
    rows = {pair.name: compare_figures(pair, figures) for pair in pairs}
    differences = [line for pair in pairs for line in differing_settings(pair)]
    _write_figures(figures, from_here(csv), from_here(latex))
    file = from_here(page)
    if file is not None:
        write_report(
            folders,
            file,
            dataset=data,
            pictures=pictures,
            side=side,
            scored=scored,
            read_walk=read_walk,
            differences=differences,
        )
    if as_json:
        print_json({"figures": rows, "differences": differences, "page": None if file is None else str(file)})
        return
    _print_comparison(pairs, rows, differences, folders)
    if file is not None:
        logger.info("the page is %s (%.1f MB)", file, file.stat().st_size / 1e6)


def _write_figures(figures: Mapping[str, Mapping[str, Any]], csv: Path | None, latex: Path | None) -> None:
    from wsss.report.tables import as_csv, as_latex, figure_rows

    scored = {name: one for name, one in figures.items() if one}
    for file, write in ((csv, as_csv), (latex, as_latex)):
        if file is not None:
            with atomic_write(file) as temporary:
                temporary.write_text(write(list(scored), figure_rows(scored)), encoding="utf-8")


def _print_comparison(
    pairs: Sequence["Pair"],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    differences: Sequence[str],
    folders: Mapping[str, Path],
) -> None:
    """A table of the summary figures, one of the classes' differences, and what was set differently."""
    from wsss.report.tables import SUMMARY

    out = console()
    for name, folder in folders.items():
        out.print(f"{name}: {folder}", highlight=False)
    table = Table("artifact", "figure %", "A", "B", "B - A")
    for name, own in rows.items():
        for row in own:
            if row["figure"] in SUMMARY:
                cells = [_cell(row["A"]), _cell(row["B"]), _cell(row["difference"], sign=True)]
                table.add_row(name, row["figure"], *cells)
    out.print(table)
    # One figure per class and pair: more would not fit a terminal.
    classes = dict.fromkeys(row["figure"] for own in rows.values() for row in own)
    named = [name for name in classes if name not in SUMMARY]
    if named:
        changes = Table("IoU %, B - A", *rows)
        found = {name: {row["figure"]: row["difference"] for row in own} for name, own in rows.items()}
        for one in named:
            changes.add_row(one, *(_cell(found[name].get(one), sign=True) for name in rows))
        out.print(changes)
    for line in differences[:_MOST_SETTINGS]:
        out.print(line, highlight=False)
    if len(differences) > _MOST_SETTINGS:
        out.print(f"and {len(differences) - _MOST_SETTINGS} more: --json has all", highlight=False)


def _cell(value: float | None, *, sign: bool = False) -> str:
    return "-" if value is None else f"{100 * value:{'+' if sign else ''}.1f}"


def open_dataset(name: str, folder: Path, options: list[str]) -> DataSet | None:
    """The data set of a preset as a run had it; None, with a warning, where it is not there.

    Args:
        name: of the preset.
        folder: a work folder or a published one; settings of the data set in its manifests hold where
            ``options`` do not say otherwise, so that nobody has to repeat them.
        options: overrides from the command line.
    """
    settings = load_dataset_settings(name, [*options_of_run(name, folder), *options])
    try:
        return build_dataset(settings)
    except WsssError as error:
        logger.warning("no pictures: %s", error)
        return None


def options_of_run(name: str, folder: Path) -> list[str]:
    """Settings of the data set that a run had, as overrides; places are not among them."""
    known = {f"dataset.{key}": value for key, value in flatten(load_dataset_settings(name))}
    files = [folder / MANIFEST, *sorted(folder.glob(f"*/{MANIFEST}"))]
    for file in files:
        try:
            manifest = open_artifact(file.parent).manifest
        except WsssError:
            continue
        if manifest.get("dataset") == name and "settings" in manifest:
            own = manifest["settings"]
            return [f"{key}={own[key]!r}" for key in known if key in own and own[key] != known[key]]
    return []
