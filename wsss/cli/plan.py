"""What a run will do, found out and checked before its first second of work; ``wsss plan`` prints it."""

import dataclasses
import datetime
import difflib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.cli.options import console, narrow_table
from wsss.cli.stages import MAKERS, STAGES, load_stage
from wsss.config import Settings, load_settings, options_of
from wsss.datasets import build_dataset
from wsss.datasets.made import NotMadeError, only_looking
from wsss.distributed import is_main, main_first
from wsss.engine import last_seconds, open_input, plan_step
from wsss.errors import ArtifactError, ConfigError, WsssError
from wsss.images import read_size
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.presets import CONFIG_DIR, find_config
from wsss.processes import available_cores
from wsss.stage import Input, Stage, Step

_REASONS = 4


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for on the command line.

    Attributes:
        stage: seeds, refine, segment or all.
        dataset: name of a preset.
        work_dir: folder of the artifacts.
        config: a config file instead of the preset; for one stage alone.
        options: overrides, those that stand for options of the command line among them.
        given: kind -> published folder to read instead of our own.
        planned: kind -> what another run publishes before this one starts.
        variant: publish as KIND-VARIANT, without baselines.
        baselines: run those that the presets name too.
        resume: skip what is done, continue what was interrupted.
        repair: remake damaged files of what is published.
    """

    stage: str
    dataset: str
    work_dir: Path
    config: Path | None = None
    options: tuple[str, ...] = ()
    given: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    planned: Mapping[str, Input] = dataclasses.field(default_factory=dict)
    variant: str = ""
    baselines: bool = True
    resume: bool = True
    repair: bool = False


@dataclasses.dataclass(frozen=True)
class _Planned:
    """A stage with one of its configs, before its place in the run is known."""

    stage: Stage
    settings: Settings
    variant: str

    @property
    def folder(self) -> str:
        return f"{self.stage.writes}-{self.variant}" if self.variant else self.stage.writes

    def reads(self) -> Sequence[str]:
        return self.stage.reads(self.settings.config)


def make_plan(request: Request) -> list[Step]:
    """Load every config, check every input, data set, weights file and the free disk of a run.

    Returns:
        The steps in the order in which they run.

    Raises:
        ConfigError: the call cannot work: unknown stage, preset, key or value, an input that nothing reads.
        WsssError: data, an input or disk space is missing. The message names the stage.
    """
    wanted = _wanted(request)
    inputs = {kind: open_input(kind, folder) for kind, folder in request.given.items()} | dict(
        request.planned
    )
    steps: list[Step] = []
    for one in wanted:
        step = _plan_one(one, request, inputs)
        inputs[step.name] = step.as_input()
        steps.append(step)
    if is_main():
        _check_disk(steps, request.work_dir)
        for remark in dict.fromkeys(one for step in steps for one in step.dataset.remarks):
            logger.warning("%s", remark)
    return steps


def _wanted(request: Request) -> list[_Planned]:
    """What runs, in turn; of the request and its configs all is checked, of data and inputs nothing."""
    _check_request(request)
    names = tuple(STAGES) if request.stage == "all" else (request.stage,)
    loaded = [one for name in names for one in _load(name, request)]
    _refuse_unused_options(request.options, loaded, names)
    return _needed(loaded, request)


def _check_request(request: Request) -> None:
    if request.stage != "all" and request.stage not in STAGES:
        close = difflib.get_close_matches(request.stage, [*STAGES, "all"], n=1)
        is_swapped = request.dataset in (*STAGES, "all")
        meant = (
            f"{request.dataset} {request.stage}"
            if is_swapped
            else f"{(close or ['all'])[0]} {request.dataset}"
        )
        raise ConfigError(
            f"expected a stage out of {', '.join(STAGES)} or all, got {request.stage!r}: did you mean "
            f"'{meant}'?"
        )
    if request.variant != Path(request.variant).name:
        raise ConfigError(f"expected a name without folders, got --variant {request.variant}: correct it")
    _expect_folder(request.work_dir)
    if request.stage == "all" and request.config is not None:
        raise ConfigError("expected one stage with --config, got all: run the stages one by one")
    # Before the stages are imported, which takes seconds.
    for name in STAGES if request.stage == "all" else (request.stage,):
        find_config(name, request.dataset, path=request.config)


def _expect_folder(work_dir: Path) -> None:
    """Refuse a work folder that cannot be made because a file is in its place."""
    first = next(one for one in (work_dir, *work_dir.parents) if one.exists())
    if not first.is_dir():
        raise ConfigError(
            f"expected a folder for artifacts at {work_dir}, {first} is a file: change --work-dir"
        )


def _load(name: str, request: Request) -> list[_Planned]:
    """A stage's own config, and those of the baselines that it names; these lie beside the presets."""
    stage = load_stage(name)
    options = options_of(name, request.options, tuple(STAGES))
    try:
        settings = load_settings(stage, request.dataset, path=request.config, options=options)
        found = [_Planned(stage, settings, request.variant)]
        named = settings.config.get("baselines") or {} if request.baselines and not request.variant else {}
        for variant, file in named.items():
            baseline = load_settings(stage, request.dataset, path=CONFIG_DIR / name / file, options=options)
            found.append(_Planned(stage, baseline, variant))
    except WsssError as error:
        raise _named(error, name) from error
    return found


def _refuse_unused_options(options: Sequence[str], loaded: Sequence[_Planned], names: Sequence[str]) -> None:
    """Each override must be a setting of at least one config that it goes to."""
    for option in options:
        key = option.partition("=")[0]
        first, _, rest = key.partition(".")
        is_named = first in STAGES and bool(rest)
        if is_named and first not in names:
            raise ConfigError(
                f"expected overrides of {' and '.join(names)}, got {key!r} in --cfg-options: that stage is "
                "not part of this run"
            )
        own = option.removeprefix(f"{first}.") if is_named else option
        asked = [one for one in loaded if not is_named or one.stage.name == first]
        messages = [one.settings.unused[own] for one in asked if own in one.settings.unused]
        if asked and len(messages) == len(asked):
            raise ConfigError(_closest(messages, own.partition("=")[0]))


def _closest(messages: Sequence[str], key: str) -> str:
    """Of the messages of several stages the one that names the key most like the one that was given."""

    def likeness(message: str) -> float:
        if "it is a setting of" in message:
            return 2.0
        nearest = message.rpartition("did you mean '")[2].partition("'")[0]
        if nearest.rpartition(".")[2] == key.rpartition(".")[2]:
            return 1.0
        return difflib.SequenceMatcher(None, key, nearest).ratio()

    return max(messages, key=likeness)


def _needed(loaded: Sequence[_Planned], request: Request) -> list[_Planned]:
    """What has to run: all that was asked for, less what a given input replaces.

    Raises:
        ConfigError: an input that nothing reads.
    """
    if request.stage != "all":
        needed = list(loaded)
    else:
        kinds = {list(MAKERS)[-1]}
        needed = []
        for name in reversed(tuple(STAGES)):
            own = [one for one in loaded if one.stage.name == name]
            if any(one.stage.writes in kinds for one in own):
                needed = [*own, *needed]
                kinds |= {read.partition("-")[0] for one in own for read in one.reads()}
                kinds -= set(request.given)
    for kind in request.given:
        if not any(kind in one.reads() for one in needed):
            raise ConfigError(
                f"expected an input that this run reads, got --{kind}: {request.stage} {request.dataset} "
                f"reads {_join({read for one in needed for read in one.reads()}) or 'nothing'}, leave it out"
            )
    return needed


def _plan_one(one: _Planned, request: Request, inputs: Mapping[str, Input]) -> Step:
    name = one.stage.name
    try:
        with main_first():
            dataset = build_dataset(one.settings.config.dataset)
        found = {read: inputs.get(read) or _open(read, one, request) for read in one.reads()}
        return plan_step(
            one.stage,
            one.settings,
            dataset,
            dataset_name=request.dataset,
            work_dir=request.work_dir,
            variant=one.variant,
            inputs=found,
            resume=request.resume,
            repair=request.repair,
        )
    except WsssError as error:
        raise _named(error, name) from error


def _open(read: str, one: _Planned, request: Request) -> Input:
    """An input that an earlier run published; where there is none, the message names what makes it."""
    try:
        return open_input(read, request.work_dir / read)
    except ArtifactError as error:
        maker = MAKERS.get(read.partition("-")[0])
        advice = f"tools/run_stage.sh {maker} {request.dataset}" if maker else "correct 'reads'"
        raise ArtifactError(f"{error} ({one.stage.name} needs it: {advice})") from error


def _named(error: WsssError, stage: str) -> WsssError:
    """The same error with the stage's name in front."""
    text = str(error)
    return error if text.startswith(f"{stage}: ") else type(error)(f"{stage}: {text}")


def _check_disk(steps: Sequence[Step], work_dir: Path) -> None:
    needed = sum(bytes_of(step) for step in steps)
    folder = next(one for one in (work_dir, *work_dir.parents) if one.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArtifactError(
            f"expected {needed / 2**30:.1f} GiB free in {folder}, found {free / 2**30:.1f} GiB: free "
            "space or change --work-dir"
        )


def images_of(step: Step) -> int:
    """Number of images that a step works on."""
    return len(step.dataset.ids(step.stage.splits(step.settings.config)[0]))


def bytes_of(step: Step) -> int:
    """Rough size of what a step will write; 0 where it is skipped."""
    if step.action == "skip":
        return 0
    return step.stage.bytes_of_training + step.stage.bytes_per_image * images_of(step)


def seconds_of(step: Step) -> tuple[float, str] | None:
    """Estimated seconds of a step and what they rest on; None where nobody knows."""
    if step.action == "skip":
        return 0.0, ""
    images = images_of(step)
    last = last_seconds(step.out_dir)
    if last is not None and not step.takes_over:
        return last[0] * images / last[1], "last run"
    import torch

    if torch.cuda.is_available():
        return None
    counts = [len(step.dataset.ids(split)) for split in step.stage.splits(step.settings.config)]
    measured = step.stage.seconds(step.settings.config, counts, _pixels_of(step))
    cores = available_cores()
    return None if measured is None else (measured / cores, "guess")


def _pixels_of(step: Step) -> float:
    """Million pixels of the image in the middle of the list."""
    image_ids = step.dataset.ids(step.stage.splits(step.settings.config)[0])
    height, width = read_size(step.dataset.image_file(image_ids[len(image_ids) // 2]))
    return height * width / 1e6


def describe(step: Step) -> dict[str, Any]:
    """A step as a row for people and programs."""
    seconds = seconds_of(step)
    return {
        "stage": step.stage.name,
        "artifact": step.name,
        "action": step.action,
        "reasons": list(step.reasons),
        "takes_over": list(step.takes_over),
        "reads": {name: str(read.dir) for name, read in step.inputs.items()},
        "images": images_of(step),
        "seconds": None if seconds is None else round(seconds[0]),
        "seconds_from": None if seconds is None else seconds[1],
        "bytes": bytes_of(step),
        "downloads": list(step.stage.downloads(step.settings.config)) if step.action != "skip" else [],
    }


def plan_rows(request: Request) -> list[dict[str, Any]]:
    """The rows of a plan; nothing is made, where a run would begin with the data of the demo neither.

    Raises:
        WsssError: as `make_plan` does.
    """
    with only_looking():
        try:
            return [describe(step) for step in make_plan(request)]
        except NotMadeError:
            return [_describe_unmade(one, request) for one in _wanted(request)]


def _describe_unmade(one: _Planned, request: Request) -> dict[str, Any]:
    """The row of a stage whose data a run makes first: what is published is of other data."""
    given = {name: request.given.get(name, request.work_dir / name) for name in one.reads()}
    return {
        "stage": one.stage.name,
        "artifact": one.folder,
        "action": "run",
        "reasons": ["the data are made first"],
        "takes_over": [],
        "reads": {name: str(path) for name, path in given.items()},
        "images": None,
        "seconds": None,
        "seconds_from": None,
        "bytes": 0,
        "downloads": list(one.stage.downloads(one.settings.config)),
    }


def print_plan(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of a plan, from rows of `describe`: what runs, from what, for how long; why; downloads."""
    table = narrow_table("artifact", "what", "reads", "images", "time", whole=("what", "images", "time"))
    for row in rows:
        what = "up to date" if row["action"] == "skip" else row["action"]
        images = "-" if row["images"] is None else str(row["images"])
        table.add_row(row["artifact"], what, _join(row["reads"]), images, _time(row))
    out = console()
    out.print(table)
    for reasons, names in _reasons(rows).items():
        out.print(f"{', '.join(names)}: {reasons}", highlight=False)
    for file in dict.fromkeys(one for row in rows for one in row["downloads"]):
        out.print(f"to be downloaded: {file}", highlight=False)
    needed = sum(row["bytes"] for row in rows)
    if needed:
        out.print(f"about {needed / 2**30:.1f} GiB of disk", highlight=False)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Why artifacts are made anew, and what of them is kept -> their names."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["reasons"] and row["action"] != "skip":
            shown = [*row["reasons"][:_REASONS], *(["..."] if len(row["reasons"]) > _REASONS else [])]
            kept = [f"it keeps {_join(row['takes_over'])}"] if row["takes_over"] else []
            found.setdefault("; ".join([*shown, *kept]), []).append(row["artifact"])
    return found


def _time(row: Mapping[str, Any]) -> str:
    if row["action"] == "skip":
        return "-"
    if row["seconds"] is None:
        return "unknown"
    return f"{datetime.timedelta(seconds=row['seconds'])} ({row['seconds_from']})"


def _join(names: Any) -> str:
    return ", ".join(sorted(names))


def short_path(path: Path) -> str:
    """A path as people read it: from the project on where it lies there."""
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)
