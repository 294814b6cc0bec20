"""``wsss data``: check or build a data set."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from wsss.cli.app import app
from wsss.cli.options import AsJson, from_here, print_json
from wsss.config import load_dataset_settings
from wsss.datasets import build_dataset
from wsss.datasets.coco import SPLITS
from wsss.datasets.coco_build import build_coco
from wsss.paths import resolve_path

data = typer.Typer(no_args_is_help=True, help="Check or build a data set.")
app.add_typer(data, name="data")

Preset = Annotated[str, typer.Option(help="Whose settings to start from: configs/_base_/NAME.py.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one per CPU core.")]


@data.command(epilog="Example: wsss data coco --root data/coco")
def coco(
    root: Annotated[Path | None, typer.Option(help="Folder with train2014, val2014, annotations.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Where to write. Default: the root.")] = None,
    year: Annotated[int | None, typer.Option(help="Which release: 2014 or 2017.")] = None,
    preset: Preset = "coco",
    num_workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Build tags and ground truth of COCO from its annotations; continues where it was stopped."""
    settings = load_dataset_settings(preset)
    given = {"root": from_here(root), "labels": from_here(labels), "year": year}
    settings |= {key: value for key, value in given.items() if value is not None}
    if root is not None and labels is None:
        settings["labels"] = None
    folder = resolve_path(settings["root"])
    out = resolve_path(settings["labels"] or folder)
    built = {
        split: build_coco(folder, labels=out, split=split, year=settings["year"], num_workers=num_workers)
        for split in SPLITS
    }
    # What was built must be what the stages ask for: the counts, and an image for each mask.
    dataset = build_dataset(settings)
    for split in SPLITS:
        dataset.check(split)
    if as_json:
        print_json({"labels": str(out), **built})
        return
    table = Table("", *SPLITS, title=f"{dataset.name}, {len(dataset.classes)} classes, in {out}")
    for name in built["train"]:
        if name != "images_per_class":
            table.add_row(name.replace("_", " "), *(_shown(built[split][name]) for split in SPLITS))
    for name in dataset.classes:
        table.add_row(
            f"images with {name}", *(str(built[split]["images_per_class"][name]) for split in SPLITS)
        )
    Console().print(table)


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
