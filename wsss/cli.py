"""The command line: ``wsss run`` and ``wsss evaluate``."""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import wsss  # noqa: F401  the compatibility layer comes first
from wsss.artifacts import Artifact, open_artifact, read_mask, read_seed
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.errors import ConfigError, WsssError
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.stage import Stage, run_stage

STAGES = {"seeds": "seeds.stage:STAGE", "refine": "refine.stage:STAGE", "segment": "segment.stage:STAGE"}
# Sweeps masks: the walk belongs to a stage, and this package imports none.
SWEEP = "refine.sweep:sweep_masks"

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
_state = {"debug": False}


@app.callback()
def _options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Weakly supervised segmentation: image tags in, pixel masks and a trained network out."""
    _state["debug"] = debug


@app.command(epilog="Example: wsss run all demo")
def run(
    stage: Annotated[str, typer.Argument(help="seeds, refine, segment or all")],
    dataset: Annotated[str, typer.Argument(help="a preset's name: demo, voc, voc_mini")],
    config: Annotated[Path | None, typer.Option(help="A config file instead of the preset.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where the data set lies.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Where artifacts go. Default: work/DATASET")] = None,
    cfg_options: Annotated[
        list[str] | None, typer.Option(help="Override settings: a.b=value c=value.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to train on and to make seeds and masks of.")
    ] = None,
    seeds: Annotated[Path | None, typer.Option(help="Published seeds to refine instead of our own.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Published masks to train on instead of our own.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Skip what is done, continue what was interrupted.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run one stage, or all three in turn, and print the figures."""
    names = tuple(STAGES) if stage == "all" else (stage,)
    if stage != "all" and stage not in STAGES:
        raise ConfigError(
            f"expected a stage out of {', '.join(STAGES)} or all, got {stage!r}: correct the command"
        )
    if stage == "all" and config is not None:
        raise ConfigError("expected one stage with --config, got all: run the stages one by one")
    folder = _from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    options = list(cfg_options or ())
    if data_root is not None:
        options.append(f"dataset.root={_from_here(data_root)}")
    if split is not None:
        options.append(f"dataset.train_split={split}")
    given = {"seeds": _from_here(seeds), "masks": _from_here(masks)}
    inputs = {kind: path for kind, path in given.items() if path is not None}
    artifacts: list[Artifact] = []
    for name in names:
        artifacts += _run_with_baselines(
            name,
            dataset,
            path=_from_here(config),
            options=options,
            work_dir=folder,
            inputs=inputs,
            resume=resume,
        )
    _print_figures(artifacts, as_json=as_json)


@app.command(epilog="Example: wsss evaluate work/demo/seeds demo")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A published folder of seeds, masks or predictions.")],
    dataset: Annotated[str, typer.Argument(help="The data set's preset, for its ground truth.")],
    data_root: Annotated[Path | None, typer.Option(help="Where the data set lies.")] = None,
    cfg_options: Annotated[
        list[str] | None, typer.Option(help="Override settings: a.b=value c=value.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Masks: try other background scores, from the stored walks.")
    ] = False,
    power: Annotated[
        list[float] | None, typer.Option(help="With --sweep: walk again with this seed power too.")
    ] = None,
    seeds: Annotated[Path | None, typer.Option(help="With --power: the seeds of these masks.")] = None,
) -> None:
    """Score published seeds, masks or predictions against ground truth, per class."""
    artifact = open_artifact(folder)
    options = list(cfg_options or ())
    if data_root is not None:
        options.append(f"dataset.root={_from_here(data_root)}")
    truth = build_dataset(load_config("seeds", dataset, options=options).dataset)
    if sweep:
        module, _, attribute = SWEEP.partition(":")
        find = getattr(importlib.import_module(module), attribute)
        _print_rows(find(artifact, truth, powers=power or (), seeds_dir=_from_here(seeds)), as_json=as_json)
        return
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
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    table = Table("class", "IoU", title=f"{artifact.kind}, {artifact.split}, {figures['images']} images")
    for name, value in figures.pop("per_class_iou").items():
        table.add_row(name, "-" if value is None else f"{100 * value:.1f}")
    for name, value in figures.items():
        table.add_row(
            name, f"{100 * value:.2f}" if isinstance(value, float) and name != "threshold" else str(value)
        )
    Console().print(table)


def main() -> None:
    """Entry point: exit status 0, 1 where the work failed, 2 where the command was wrong."""
    _log_to_stderr()
    try:
        status: Any = app(_repeat_option(sys.argv[1:]), standalone_mode=False)
    except typer.Abort:
        sys.exit(1)
    except WsssError as error:
        if _state["debug"]:
            raise
        logger.error("%s", error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        logger.error("interrupted: the same command continues where it stopped")
        sys.exit(1)
    except Exception as error:
        show: Callable[[], None] | None = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(int(getattr(error, "exit_code", 2)))
    sys.exit(status if isinstance(status, int) else 0)


def _run_with_baselines(
    name: str,
    dataset: str,
    *,
    path: Path | None,
    options: list[str],
    work_dir: Path,
    inputs: dict[str, Path],
    resume: bool,
) -> list[Artifact]:
    """Run a stage, then the baselines that its config names; their configs lie beside its presets."""
    config = load_config(name, dataset, path=path, options=options)
    stage = _stage(name)
    common: dict[str, Any] = {
        "dataset_name": dataset,
        "work_dir": work_dir,
        "inputs": inputs,
        "resume": resume,
    }
    artifacts = [run_stage(stage, config, **common)]
    for variant, file in (config.get("baselines") or {}).items():
        baseline = load_config(name, dataset, path=PROJECT_ROOT / "configs" / name / file, options=options)
        artifacts.append(run_stage(stage, baseline, variant=variant, **common))
    return artifacts


def _stage(name: str) -> Stage:
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
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
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


def _print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """One line per row; the columns are those of the first one."""
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def _how(manifest: Mapping[str, Any]) -> str:
    """What a figure rests on: its threshold and who chose that, or the supervision of a network."""
    thresholds = manifest["thresholds"]
    for name in ("seed", "background_score"):
        if name in thresholds:
            return f"{thresholds[name]} ({thresholds[name + '_chosen']})"
    return str(manifest.get("supervision", ""))


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)


def _from_here(path: Path | None) -> Path | None:
    """Paths on the command line start at the folder that the command is given in, not at the project."""
    return None if path is None else path.expanduser().absolute()


def _repeat_option(arguments: Sequence[str]) -> list[str]:
    """Let several settings follow one ``--cfg-options``, as in the tools of mmengine's family."""
    repeated: list[str] = []
    for word, before in zip(arguments, ["", *arguments], strict=False):
        among_settings = "--cfg-options" in repeated[-2:] and before != "--cfg-options"
        repeated += ["--cfg-options", word] if among_settings and _is_setting(word) else [word]
    return repeated


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith("-")


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


if __name__ == "__main__":
    main()
