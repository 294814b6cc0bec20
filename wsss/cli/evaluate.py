"""``wsss evaluate``: scores of what is published."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from wsss.artifacts import open_artifact, read_mask, read_seed
from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, print_json, with_root
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds


@app.command(epilog="Example: wsss evaluate work/demo/seeds demo")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A published folder of seeds, masks or predictions.")],
    dataset: Annotated[str, typer.Argument(help="The data set's preset, for its ground truth.")],
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Score published seeds, masks or predictions against ground truth, per class."""
    artifact = open_artifact(folder)
    truth = build_dataset(load_config("seeds", dataset, options=with_root(cfg_options, data_root)).dataset)
    if artifact.kind == "seeds":
        figures = oracle(
            sweep_seeds(lambda one: read_seed(artifact.file(one)), truth, artifact.ids), artifact.split
        )
    else:
        count = len(truth.classes)
        scores = evaluate_masks(
            lambda one: read_mask(artifact.file(one), num_classes=count), truth, artifact.ids
        )
        figures = scores.figures()
    if as_json:
        print_json(figures)
        return
    table = Table("class", "IoU", title=f"{artifact.kind}, {artifact.split}, {figures['images']} images")
    for name, value in figures.pop("per_class_iou").items():
        table.add_row(name, "-" if value is None else f"{100 * value:.1f}")
    for name, value in figures.items():
        table.add_row(
            name, f"{100 * value:.2f}" if isinstance(value, float) and name != "threshold" else str(value)
        )
    Console().print(table)
