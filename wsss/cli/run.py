"""``wsss run``: the stages."""

import importlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from wsss.artifacts import Artifact
from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, from_here, print_json, with_root
from wsss.config import load_config
from wsss.distributed import exit_together, is_main, join, launch, launcher
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.stage import Stage, run_stage

STAGES = {"seeds": "seeds.stage:STAGE", "refine": "refine.stage:STAGE", "segment": "segment.stage:STAGE"}


@app.command(epilog="Example: wsss run all demo")
def run(
    stage: Annotated[str, typer.Argument(help="seeds, refine, segment or all")],
    dataset: Annotated[str, typer.Argument(help="a preset's name: demo, voc, coco, folder, ...")],
    config: Annotated[Path | None, typer.Option(help="A config file instead of the preset.")] = None,
    data_root: DataRoot = None,
    work_dir: Annotated[Path | None, typer.Option(help="Where artifacts go. Default: work/DATASET")] = None,
    cfg_options: CfgOptions = None,
    variant: Annotated[
        str, typer.Option(help="Publish as KIND-VARIANT beside the main one, without baselines.")
    ] = "",
    split: Annotated[
        str | None, typer.Option(help="Split to train on and to make seeds and masks of.")
    ] = None,
    seeds: Annotated[Path | None, typer.Option(help="Published seeds to refine instead of our own.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Published masks to train on instead of our own.")
    ] = None,
    allow_ground_truth: Annotated[
        bool,
        typer.Option("--allow-ground-truth", help="Train on masks that are the ground truth, and say so."),
    ] = False,
    baselines: Annotated[bool, typer.Option(help="Run the baselines that the preset names too.")] = True,
    resume: Annotated[bool, typer.Option(help="Skip what is done, continue what was interrupted.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run one stage, or all three in turn, and print the figures.

    GPUS=N in the environment starts N processes, one per GPU, or N on the CPUs where there is no GPU.
    """
    processes = _wanted_processes()
    if processes > 1 and launcher() == "none":
        raise typer.Exit(launch(processes))
    join()
    if not is_main():
        # What goes wrong is said by whoever it happens to, everything else once.
        logger.setLevel(logging.ERROR)
    names = tuple(STAGES) if stage == "all" else (stage,)
    if stage != "all" and stage not in STAGES:
        raise ConfigError(
            f"expected a stage out of {', '.join(STAGES)} or all, got {stage!r}: correct the command"
        )
    if stage == "all" and config is not None:
        raise ConfigError("expected one stage with --config, got all: run the stages one by one")
    folder = from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    options = with_root(cfg_options, data_root)
    if split is not None:
        options.append(f"dataset.train_split={split}")
    given = {"seeds": from_here(seeds), "masks": from_here(masks)}
    inputs = {kind: path for kind, path in given.items() if path is not None}
    artifacts: list[Artifact] = []
    for name in names:
        artifacts += _run_with_baselines(
            name,
            dataset,
            path=from_here(config),
            options=[*options, "allow_ground_truth=True"]
            if allow_ground_truth and name == "segment"
            else options,
            work_dir=folder,
            inputs=inputs,
            resume=resume,
            variant=variant,
            with_baselines=baselines and not variant,
        )
    if is_main():
        _print_figures(artifacts, as_json=as_json)
    exit_together()


def _wanted_processes() -> int:
    text = os.environ.get("GPUS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"expected GPUS to be a number of processes such as 2, got {text!r}: correct it")
    return int(text)


def _run_with_baselines(
    name: str,
    dataset: str,
    *,
    path: Path | None,
    options: list[str],
    work_dir: Path,
    inputs: dict[str, Path],
    resume: bool,
    variant: str,
    with_baselines: bool,
) -> list[Artifact]:
    """Run a stage, then the baselines that its config names; their configs lie beside its presets."""
    config = load_config(name, dataset, path=path, options=options)
    stage = load_stage(name)
    common: dict[str, Any] = {
        "dataset_name": dataset,
        "work_dir": work_dir,
        "inputs": inputs,
        "resume": resume,
    }
    artifacts = [run_stage(stage, config, variant=variant, **common)]
    baselines = config.get("baselines") or {} if with_baselines else {}
    for other, file in baselines.items():
        baseline = load_config(
            name, dataset, path=PROJECT_ROOT / "configs" / name / file, options=options, baseline=True
        )
        artifacts.append(run_stage(stage, baseline, variant=other, **common))
    return artifacts


def load_stage(name: str) -> Stage:
    """Import a stage by its name on the command line."""
    module, _, attribute = STAGES[name].partition(":")
    stage: Stage = getattr(importlib.import_module(module), attribute)
    return stage


def _print_figures(artifacts: list[Artifact], *, as_json: bool) -> None:
    """The table that a run ends with: one row per artifact."""
    if as_json:
        rows = {
            one.manifest["name"]: {"figures": one.manifest["figures"], "dir": str(one.dir)}
            for one in artifacts
        }
        print_json(rows)
        return
    table = Table("artifact", "mIoU %", "split", "images", "how")
    for one in artifacts:
        manifest = one.manifest
        score = manifest["figures"].get("mIoU")
        shown = "no ground truth" if score is None else f"{100 * score:.1f}"
        table.add_row(one.dir.name, shown, one.split, str(manifest["count"]), _how(manifest))
    console = Console()
    console.print(table)
    console.print("in", ", ".join(sorted({_short(one.dir.parent) for one in artifacts})))


def _how(manifest: Mapping[str, Any]) -> str:
    """What a figure rests on: its threshold and who chose that, or the supervision of a network."""
    thresholds = manifest["thresholds"]
    for name in ("seed", "background_score"):
        if name in thresholds:
            return f"{thresholds[name]} ({thresholds[name + '_chosen']})"
    return str(manifest.get("supervision", ""))


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)
