"""``wsss run`` and ``wsss plan``: the stages."""

import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wsss.artifacts import Artifact
from wsss.cli.app import app
from wsss.cli.expected import unexpected_figures
from wsss.cli.options import (
    AsJson,
    CfgOptions,
    DataRoot,
    Exif,
    console,
    exif_option,
    from_here,
    is_there,
    print_json,
    with_root,
)
from wsss.cli.plan import Request, describe, make_plan, plan_rows, print_plan, short_path
from wsss.comparison import shares_of_full_supervision
from wsss.distributed import exit_together, is_main, join, launch, launcher
from wsss.engine import run_step
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.thresholds import Threshold

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="seeds, refine, segment or all")]
DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="a preset's name: demo, voc, coco, folder, ...")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A config file instead of the preset.")]
WorkDir = Annotated[Path | None, typer.Option(help="Where artifacts go. Default: work/DATASET")]
Variant = Annotated[str, typer.Option(help="Publish as KIND-VARIANT beside the main one, without baselines.")]
Split = Annotated[str | None, typer.Option(help="Split to train on and to make seeds and masks of.")]
Seeds = Annotated[
    Path | None, typer.Option(callback=is_there, help="Published seeds to read instead of our own.")
]
Masks = Annotated[
    Path | None, typer.Option(callback=is_there, help="Published masks to train on instead of our own.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Initial weights of the backbone in every stage: a file, imagenet, or none for random."
    ),
]
AllowGroundTruth = Annotated[
    bool, typer.Option("--allow-ground-truth", help="Train on masks that are the ground truth, and say so.")
]
Baselines = Annotated[bool, typer.Option(help="Run the baselines that the preset names too.")]
Resume = Annotated[bool, typer.Option(help="Skip what is done, continue what was interrupted.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop, as wsss plan does.")]


@app.command(epilog="Example: wsss run all demo")
def run(
    stage: StageName,
    dataset: DatasetName,
    config: ConfigFile = None,
    data_root: DataRoot = None,
    work_dir: WorkDir = None,
    cfg_options: CfgOptions = None,
    variant: Variant = "",
    split: Split = None,
    seeds: Seeds = None,
    masks: Masks = None,
    weights: Weights = None,
    exif: Exif = None,
    allow_ground_truth: AllowGroundTruth = False,
    baselines: Baselines = True,
    resume: Resume = True,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run one stage, or all three in turn, and print the figures.

    What cannot work is refused before anything is made: see wsss plan. GPUS=N in the environment starts N
    processes, one per GPU, or N on the CPUs where there is no GPU.
    """
    processes = _wanted_processes()
    if processes > 1 and launcher() == "none" and not dry_run:
        raise typer.Exit(launch(processes))
    join()
    if not is_main():
        # What goes wrong is said by whoever it happens to, everything else once.
        logger.setLevel(logging.ERROR)
    request = request_of(
        stage=stage,
        dataset=dataset,
        config=config,
        data_root=data_root,
        work_dir=work_dir,
        cfg_options=cfg_options,
        variant=variant,
        split=split,
        seeds=seeds,
        masks=masks,
        weights=weights,
        exif=exif,
        allow_ground_truth=allow_ground_truth,
        baselines=baselines,
        resume=resume,
    )
    if dry_run:
        rows = plan_rows(request)
        print_json(rows) if as_json else print_plan(rows)
        return
    steps = make_plan(request)
    if is_main():
        for step in steps:
            row = describe(step)
            why = f" ({'; '.join(row['reasons'])})" if row["reasons"] else ""
            logger.info("plan: %s: %s%s, %d images", step.name, step.action, why, row["images"])
    artifacts = [run_step(step) for step in steps]
    if is_main():
        _print_figures(artifacts, as_json=as_json)
        for line in unexpected_figures(artifacts):
            logger.warning("%s", line)
    exit_together()


def plan(**options: Any) -> None:
    """Print what wsss run would do with the same options, after all checks; no stage runs.

    Each artifact: run, skip or continue, why, from what, for how many images and about how long.
    """
    run(**options, dry_run=True)


def command_like(function: Callable[..., None], like: Callable[..., None], *, without: Sequence[str]) -> None:
    """Make a function of ``**options`` a command with the options of another one, but for some of them."""
    kept = [one for name, one in inspect.signature(like).parameters.items() if name not in without]
    function.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
    function.__annotations__ = {one.name: one.annotation for one in kept}
    app.command(epilog=f"Example: wsss {function.__name__} all demo")(function)


command_like(plan, run, without=("dry_run",))


def request_of(
    *,
    stage: str,
    dataset: str,
    config: Path | None,
    data_root: Path | None,
    work_dir: Path | None,
    cfg_options: list[str] | None,
    variant: str,
    split: str | None,
    seeds: Path | None,
    masks: Path | None,
    weights: str | None,
    exif: Exif,
    allow_ground_truth: bool,
    baselines: bool,
    resume: bool = True,
    repair: bool = False,
) -> Request:
    """What the options of the command line ask for."""
    return Request(
        stage=stage,
        dataset=dataset,
        work_dir=from_here(work_dir) or PROJECT_ROOT / "work" / dataset,
        config=from_here(config),
        options=(
            *_options(cfg_options, data_root, split, weights, allow_ground_truth),
            *exif_option(exif, dataset),
        ),
        given={
            kind: folder
            for kind, path in (("seeds", seeds), ("masks", masks))
            if (folder := from_here(path)) is not None
        },
        variant=variant,
        baselines=baselines,
        resume=resume,
        repair=repair,
    )


def _options(
    cfg_options: list[str] | None,
    data_root: Path | None,
    split: str | None,
    weights: str | None,
    allow_ground_truth: bool,
) -> tuple[str, ...]:
    """Overrides, and the options of the command line that stand for some."""
    options = with_root(cfg_options, data_root)
    if split is not None:
        options.append(f"dataset.train_split={split}")
    options += weights_option(weights)
    if allow_ground_truth:
        options.append("allow_ground_truth=True")
    return tuple(options)


def weights_option(weights: str | None) -> list[str]:
    """The override that ``--weights`` stands for."""
    if weights is None:
        return []
    is_name = weights in ("imagenet", "seeds", "none")
    return [f"model.pretrained={weights if is_name else from_here(Path(weights))}"]


def _wanted_processes() -> int:
    text = os.environ.get("GPUS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"expected GPUS to be a number of processes such as 2, got {text!r}: correct it")
    return int(text)


def _print_figures(artifacts: Sequence[Artifact], *, as_json: bool) -> None:
    """The table that a run ends with: one row per artifact."""
    shares = shares_of_full_supervision({one.dir.name: one.manifest for one in artifacts})
    if as_json:
        rows = {
            one.manifest["name"]: {
                "figures": one.manifest["figures"],
                "dir": str(one.dir),
                "share_of_full_supervision": shares.get(one.dir.name, {}),
            }
            for one in artifacts
        }
        print_json(rows)
        return
    table = Table("artifact", "mIoU %", "split", "images", "how")
    for one in artifacts:
        manifest = one.manifest
        score = manifest["figures"].get("mIoU")
        shown = "no ground truth" if score is None else f"{100 * score:.1f}"
        own = shares.get(one.dir.name, {})
        how = [_how(manifest), *(f"{100 * value:.0f} % of {name}" for name, value in own.items())]
        table.add_row(one.dir.name, shown, one.split, str(manifest["count"]), ", ".join(filter(None, how)))
    out = console()
    out.print(table)
    out.print("in", ", ".join(sorted({short_path(one.dir.parent) for one in artifacts})))


def _how(manifest: Mapping[str, Any]) -> str:
    """What a figure rests on: its threshold and who chose that, or the supervision of a network."""
    for name in ("seed", "background_score", "threshold"):
        threshold = Threshold.of_json(manifest["thresholds"].get(name))
        if threshold is not None:
            return str(threshold)
    return str(manifest.get("supervision", ""))
