"""``wsss submit``: predictions for VOC's test server, checked and packed."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from wsss.cli.app import app
from wsss.cli.options import AsJson, DataRoot, from_here, print_json, with_root
from wsss.config import load_dataset_settings
from wsss.datasets import VOC_CLASSES, VocDataSet, build_dataset
from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT
from wsss.submit import write_voc_package


@app.command(epilog="Example: wsss submit voc --data-root data/VOCdevkit/VOC2012")
def submit(
    dataset: Annotated[str, typer.Argument(help="a preset's name whose images lie as VOC's: voc")],
    data_root: DataRoot = None,
    work_dir: Annotated[
        Path | None, typer.Option(help="Where the stage segment published. Default: work/DATASET")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="A folder of predictions ID.png to pack; nothing is predicted then.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split that the server asks for.")] = "test",
    competition: Annotated[
        str, typer.Option(help="comp5: trained on VOC's own images alone; comp6: on more, such as SBD.")
    ] = "comp6",
    out: Annotated[
        Path | None, typer.Option(help="Package to write. Default: WORK/COMPETITION_SPLIT.tar.gz")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict VOC's test images with the published network, check them, and pack them for the server."""
    data = build_dataset(load_dataset_settings(dataset, with_root(None, data_root)))
    # The demo has VOC's layout too, but other classes.
    if not isinstance(data, VocDataSet) or data.classes != VOC_CLASSES:
        raise ConfigError(f"expected a data set in VOC's layout for its server, got {dataset}: choose voc")
    work = from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    folder = from_here(predictions)
    if folder is None:
        folder = importlib.import_module("segment.submit").predict_split(work / "segment", data, split)
    package = from_here(out) or work / f"{competition}_{split}.tar.gz"
    write_voc_package(folder, data, data.ids(split), out=package, competition=competition)
    if as_json:
        facts = {"split": split, "competition": competition, "images": len(data.ids(split))}
        print_json({"package": str(package), **facts})
    else:
        typer.echo(str(package))
