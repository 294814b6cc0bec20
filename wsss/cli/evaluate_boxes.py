"""``wsss evaluate boxes``: scores of seeds and score maps on localisation data."""

from pathlib import Path
from typing import Annotated, Any

import typer
from mmengine.config import Config
from rich.table import Table

from wsss.artifacts import MANIFEST, Artifact, open_artifact
from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, console, narrow_table, print_json, with_root
from wsss.cli.report import options_of_run
from wsss.config import apply_options, load_dataset_settings
from wsss.datasets import DATASETS, LocalizationDataSet, build_dataset
from wsss.errors import ConfigError
from wsss.evaluate_boxes import BoxScores, file_reader, score_boxes, seed_reader
from wsss.thresholds import Threshold

_WORDS = {"rule": "boxes from", "threshold": "threshold", "chosen_by": "chosen by"}
_NUMBERS = {
    "iou_30": "IoU .3",
    "iou_50": ".5",
    "iou_70": ".7",
    "mean": "mean",
    "top1": "Top-1\nLoc",
    "top5": "Top-5\nLoc",
}
_SHOWN = 10
_DEFAULT = 0.5


@app.command("evaluate boxes", epilog="Example: wsss evaluate boxes work/voc_boxes/seeds voc_boxes")
def evaluate_boxes(
    folder: Annotated[
        Path, typer.Argument(help="Published seeds, or a folder of score maps ID.npy as wsolevaluation's.")
    ],
    dataset: Annotated[str, typer.Argument(help="Preset of a localisation set, for its boxes and masks.")],
    split: Annotated[
        str | None,
        typer.Option(help="Default: that of the seeds if the data set has it, else its val_split."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The fixed one, a share of a map's maximum. Default: the seeds' own, else .5"),
    ] = None,
    step: Annotated[
        float, typer.Option(help="Distance of the thresholds that the oracle chooses from.")
    ] = 0.01,
    sweep: Annotated[bool, typer.Option("--sweep", help="Accuracy at each of these thresholds too.")] = False,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Score where seeds or score maps find the object of each image: boxes, and pixels where masks are."""
    artifact = open_artifact(folder) if (folder / MANIFEST).is_file() else None
    fixed = fixed_threshold(artifact) if threshold is None else Threshold(threshold, "command line")
    if not 0 <= (fixed.value or 0) < 1 or not 0 < step <= 1:
        raise ConfigError(
            f"expected --threshold in [0, 1) and --step in (0, 1], got {fixed.value} and {step}: correct them"
        )
    config = Config({"dataset": load_dataset_settings(dataset)})
    apply_options(config, [*options_of_run(dataset, folder), *with_root(cfg_options, data_root)])
    truth = _open(dataset, config)
    if artifact is not None and artifact.kind != "seeds":
        raise ConfigError(f"expected seeds in {folder}, got {artifact.kind}: give a folder of soft maps")
    covered = artifact.split if artifact is not None and artifact.split in truth.splits else None
    chosen = split or covered or str(config.dataset["val_split"])
    ids = truth.ids(chosen)
    read = file_reader(folder, ids) if artifact is None else seed_reader(artifact, truth, ids)
    _print(score_boxes(read, truth, chosen, threshold=fixed, step=step), dataset, sweep, as_json=as_json)


def fixed_threshold(artifact: Artifact | None) -> Threshold:
    """The threshold of published seeds: the one that their figures name, else their setting; .5 for maps."""
    manifest = {} if artifact is None else artifact.manifest
    used = Threshold.of_json(manifest.get("thresholds", {}).get("seed_fixed"))
    own = manifest.get("settings", {}).get("infer.threshold")
    if used is None and isinstance(own, int | float):
        return Threshold(own, "settings of the seeds")  # without ground truth they have no figures
    return used or Threshold(_DEFAULT, "default")


def _open(dataset: str, config: Config) -> LocalizationDataSet:
    """The data set of the settings, if it is one for localisation; others are not even made."""
    kind = DATASETS.get(str(config.dataset.get("type")))
    if kind is not None and not issubclass(kind, LocalizationDataSet):
        raise ConfigError(
            f"expected a localisation set such as voc_boxes, got {dataset}: choose one, or leave 'boxes' out "
            "to score masks of classes"
        )
    truth = build_dataset(config.dataset)
    assert isinstance(truth, LocalizationDataSet)  # an unknown type was refused
    return truth


def _print(scores: BoxScores, dataset: str, sweep: bool, *, as_json: bool) -> None:
    figures = scores.figures()
    if as_json:
        print_json(figures | ({"sweep": scores.curve()} if sweep else {}))
        return
    out = console()
    if rows := figures["boxes"]:
        # The classes of an answer have columns only where it has any.
        numbers = [name for name in _NUMBERS if any(row[name] is not None for row in rows)]
        heads = [*_WORDS.values(), *(_NUMBERS[name] for name in numbers)]
        title = f"{dataset}, {scores.split}, {scores.images} images, accuracy in percent"
        table = narrow_table(*heads, whole=heads[1:], title=title)
        for row in rows:
            words = row["rule"], _threshold(row["threshold"]), row["chosen_by"]
            table.add_row(*words, *(_percent(row[name]) for name in numbers))
        out.print(table)
    if "pixels" in figures:
        pixels = Table("pixels", "value", title=f"{scores.with_masks} images with masks")
        for name, value in figures["pixels"].items():
            pixels.add_row(name, _percent(value))
        out.print(pixels)
    if sweep and scores.curve():
        curve = scores.curve()
        table = Table(*curve[0], title="accuracy of the largest contour (v1) and of all (v2)")
        for row in curve[:: max(1, len(curve) // _SHOWN)]:
            table.add_row(f"{row.pop('threshold'):g}", *map(_percent, row.values()))
        out.print(table)


def _threshold(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(f"{one:.4g}" for one in value)
    return "-" if value is None else f"{value:g}"


def _percent(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
