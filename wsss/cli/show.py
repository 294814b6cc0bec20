"""``wsss show``: all that is known of single images, as a picture, for a paper, or in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, console, from_here, print_json, with_root
from wsss.cli.report import open_dataset
from wsss.datasets import DataSet
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from wsss.report.curves import Curve
    from wsss.report.layers import Entry, Layers

_FORMATS = (".png", ".pdf", ".svg")
_SCORED = 500


@app.command(epilog="Example: wsss show demo train_00003 train_00007 --figure figure.pdf")
def show(
    dataset: Annotated[str, typer.Argument(help="A preset's name.")],
    image_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of its images.")],
    work_dir: Annotated[Path | None, typer.Option(help="Default: work/DATASET")] = None,
    out: Annotated[Path | None, typer.Option(help="The PNG. Default: WORK_DIR/show.png")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Write this PDF or SVG instead; a PDF has threshold curves and class bars too."),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Columns, parted by commas: image, seeds, masks: walk. Default: all.")
    ] = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Draw in a terminal with 24-bit colours instead.")
    ] = False,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Show images with tags, class maps, labels, edges, walks, masks, predictions, ground truth, errors."""
    folder = from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    file = from_here(figure) or from_here(out) or folder / "show.png"
    if file.suffix.lower() not in _FORMATS:
        raise ConfigError(f"expected a file that ends in {', '.join(_FORMATS)}, got {file.name}: rename it")
    # Here, because matplotlib takes its time and few verbs need it.
    from wsss.report import figure as figures
    from wsss.report.entries import open_entries
    from wsss.report.layers import read_layers

    entries, broken = open_entries(folder)
    for problem in broken:
        logger.warning("%s", problem)
    data = open_dataset(dataset, folder, with_root(cfg_options, data_root))
    if data is None:
        raise ConfigError(f"expected the images of {dataset}, found none: give --data-root")
    _refuse_unknown(image_ids, entries, folder)
    read = [read_layers(entries, image_id, data) for image_id in image_ids]
    known = figures.layer_names(read)
    names = known if layers is None else [one.strip() for one in layers.split(",")]
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ConfigError(f"expected layers out of {', '.join(known)}, got {wrong[0]!r}: correct --layers")
    if terminal:
        _draw_here(read, names)
        return
    curves, scores = _figures(entries, data) if file.suffix.lower() == ".pdf" else ([], {})
    figures.write_figure(file, read, names, data.classes, curves=curves, scores=scores)
    print_json({"file": str(file), "layers": names}) if as_json else logger.info("the picture is %s", file)


def _refuse_unknown(image_ids: Sequence[str], entries: Sequence["Entry"], folder: Path) -> None:
    published = {one for entry in entries for one in entry.artifact.ids}
    for image_id in image_ids:
        if image_id not in published:
            raise ConfigError(
                f"expected images that {', '.join(one.name for one in entries)} in {folder} hold, got "
                f"{image_id!r}: correct it (the first is {min(published)})"
            )


def _draw_here(read: Sequence["Layers"], names: Sequence[str]) -> None:
    from wsss.report.figure import drawn, terminal_rows

    here = console()
    for one in read:
        here.print(f"{one.image_id}: {', '.join(one.tags)}", highlight=False)
        shown = {name: picture for name in names if (picture := drawn(one, name)) is not None}
        here.print(" | ".join(shown), highlight=False)
        for line in terminal_rows(shown.values(), here.width):
            here.print(line)


def _figures(entries: Sequence["Entry"], data: DataSet) -> tuple[list["Curve"], dict[str, dict[str, Any]]]:
    """Threshold curves and IoU per class, for the further pages of a PDF."""
    from refine.infer import read_walk
    from wsss.report.page import known_figures, measure

    measured, _ = measure(entries, data, _SCORED, read_walk)
    known = known_figures(entries, data, _SCORED)
    scores = {name: one["per_class_iou"] for name, one in known.items() if one.get("per_class_iou")}
    return [curve for one in measured.values() for curve in one.curves], scores
