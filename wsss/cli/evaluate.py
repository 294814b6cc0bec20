"""``wsss evaluate``: scores of what is published."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wsss.artifacts import Artifact, open_artifact, read_mask, read_seed
from wsss.cli.app import app
from wsss.cli.options import (
    AsJson,
    CfgOptions,
    DataRoot,
    console,
    from_here,
    is_there,
    narrow_table,
    print_json,
    with_root,
)
from wsss.cli.report import options_of_run
from wsss.config import load_dataset_settings
from wsss.datasets import DataSet, build_dataset
from wsss.errors import ConfigError
from wsss.evaluate import evaluate_masks, oracle, sweep_rows, sweep_seeds

# The walk belongs to a stage, and this package imports none.
SWEEP = "refine.sweep:sweep_masks"
PER_CLASS = ("per_class_iou", "per_class_precision", "per_class_recall")


@app.command(epilog="Example: wsss evaluate work/demo/masks demo --sweep")
def evaluate(
    folder: Annotated[
        Path, typer.Argument(callback=is_there, help="A published folder of seeds, masks or predictions.")
    ],
    dataset: Annotated[str, typer.Argument(help="The data set's preset, for its ground truth.")],
    split: Annotated[
        str | None,
        typer.Option(help="Score only the images of this split: train, say, of seeds of train_aug."),
    ] = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Every threshold of seeds; other background scores of masks.")
    ] = False,
    power: Annotated[
        list[float] | None, typer.Option(help="With --sweep: walk again from this seed power too.")
    ] = None,
    seeds: Annotated[
        Path | None, typer.Option(help="With --power: the seeds of these masks, if not those beside them.")
    ] = None,
) -> None:
    """Score published seeds, masks or predictions against ground truth, per class."""
    options = [*options_of_run(dataset, folder), *with_root(cfg_options, data_root)]
    artifact = open_artifact(folder)
    truth = build_dataset(load_dataset_settings(dataset, options))
    if split is not None and split != artifact.split:
        artifact = artifact.part_in(split, truth.ids(split))
    if sweep:
        _print_sweep(artifact, _sweep(artifact, truth, power or (), from_here(seeds)), as_json=as_json)
        return
    if artifact.kind == "seeds":
        sweep_of_all = sweep_seeds(lambda one: read_seed(artifact.file(one)), truth, artifact.ids)
        figures, threshold = oracle(sweep_of_all, artifact.split)
        figures |= {"threshold": threshold.value, "threshold_chosen_by": threshold.chosen_by}
    else:
        count = len(truth.classes)
        scores = evaluate_masks(
            lambda one: read_mask(artifact.file(one), num_classes=count), truth, artifact.ids
        )
        figures = scores.figures()
    figures["split"] = artifact.split
    if as_json:
        print_json(figures)
        return
    console().print(_figure_table(artifact, figures))


def _figure_table(artifact: Artifact, figures: Mapping[str, Any]) -> Table:
    """IoU, precision and recall of each class and their means, and what else is known."""
    title = f"{artifact.kind}, {artifact.split}, {figures['images']} images"
    table = Table("class", "IoU", "precision", "recall", title=title)
    by_class = [figures[name] for name in PER_CLASS]
    for name in by_class[0]:
        table.add_row(name, *(_cell(name, values[name]) for values in by_class))
    means = ("mIoU", "mean_precision", "mean_recall")
    table.add_row("mIoU, mean of classes", *(_cell(name, figures[name]) for name in means))
    for name, value in figures.items():
        if name not in (*PER_CLASS, *means):
            table.add_row(name, _cell(name, value))
    return table


def _sweep(
    artifact: Artifact, truth: DataSet, powers: Sequence[float], seeds: Path | None
) -> list[dict[str, Any]]:
    """Scores of other thresholds than the one in use, from stored files."""
    if artifact.kind == "seeds":
        return sweep_rows(artifact, truth)
    if artifact.kind == "segment":
        raise ConfigError(
            f"expected seeds or masks with --sweep, got {artifact.kind}: predictions have no threshold"
        )
    module, _, name = SWEEP.partition(":")
    rows: list[dict[str, Any]] = getattr(importlib.import_module(module), name)(
        artifact, truth, powers=powers, seeds_dir=seeds
    )
    return rows


def _print_sweep(artifact: Artifact, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """All rows as JSON; as a table every tenth of many (.10, .20 ...), and those that somebody chose."""
    if as_json:
        print_json(rows)
        return
    shown = [row for i, row in enumerate(rows) if row["chosen"] != "fixed" or (i and i % 10 == 0)]
    # Last what is made of words, and folds.
    names = [name for name in shown[0] if name not in (*PER_CLASS, "pixel_accuracy", "images", "chosen")]
    names.append("chosen")
    # One word a line, or the figures would leave no room for who chose the threshold.
    heads = [name.replace("_", "\n") for name in names]
    title = f"{artifact.kind}, {artifact.split}, {shown[0]['images']} images"
    table = narrow_table(*heads, title=title)
    for row in shown:
        table.add_row(*(_cell(name, row[name]) for name in names))
    out = console()
    out.print(table)
    per_class = [row for row in shown if "per_class_iou" in row and row["chosen"] != "fixed"]
    if per_class:
        out.print(_class_table(per_class))


def _class_table(rows: list[dict[str, Any]]) -> Table:
    """IoU per class, one column per chosen threshold."""
    heads = (f"{row['threshold']} ({row['chosen']})" for row in rows)
    table = narrow_table("class", *heads)
    for name in rows[0]["per_class_iou"]:
        table.add_row(name, *(_cell("IoU", row["per_class_iou"][name]) for row in rows))
    return table


def _cell(name: str, value: Any) -> str:
    """A score in percent; anything else as it is."""
    if value is None:
        return "-"
    is_score = isinstance(value, float) and name not in ("threshold", "background_score", "seed_power")
    return f"{100 * value:.1f}" if is_score else str(value)
