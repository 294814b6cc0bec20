"""The engine behind every stage: skip what is done, continue what was interrupted, say what is stale."""

import contextlib
import dataclasses
import datetime
import fcntl
import hashlib
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wsss.artifacts import MANIFEST, SCHEMA, Artifact, open_artifact, write_json
from wsss.backbones import weights_sha256
from wsss.config import flatten
from wsss.datasets import DataSet, build_dataset
from wsss.distributed import is_main, main_first, main_says, wait
from wsss.errors import ArtifactError, DataError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT, resolve_path

UNFINISHED = "unfinished.json"
# Settings that change where or how fast a stage runs, never what it makes.
NEUTRAL = frozenset(
    {"root", "labels", "ground_truth", "num_workers", "device", "baselines", "checkpoint_interval", "compile"}
)


@dataclasses.dataclass(frozen=True)
class Job:
    """What a stage's ``run`` gets.

    Attributes:
        config: the resolved config.
        dataset: the data set that the config names.
        inputs: opened artifacts by name.
        out_dir: the folder to fill; files already there were made by this same job and are kept.
    """

    config: Config
    dataset: DataSet
    inputs: Mapping[str, Artifact]
    out_dir: Path


@dataclasses.dataclass(frozen=True)
class Result:
    """What a stage publishes about itself.

    Attributes:
        split: split that the payload covers.
        image_ids: images of the payload.
        figures: scores and measurements, by a name that says what they are.
        thresholds: thresholds used, and how each was chosen.
        extra: further facts for the manifest (initialisation, times).
    """

    split: str
    image_ids: tuple[str, ...]
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of the pipeline, as data; ``run`` holds the work.

    Attributes:
        name: as on the command line.
        reads: names of the artifacts it needs (``seeds``, ``seeds-cam``), unless the config's ``reads`` says
            otherwise.
        writes: kind of the artifact it publishes.
        schema: raised when the meaning of its settings or of its payload changes.
        run: fills ``job.out_dir``; may be called again on a half-filled folder.
        parts: subfolder -> the settings that it does *not* depend on (``infer`` stands for all below it). A
            run that is stale for these alone takes the subfolder over instead of making it again.
    """

    name: str
    reads: tuple[str, ...]
    writes: str
    schema: int
    run: Callable[[Job], Result]
    parts: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def run_stage(
    stage: Stage,
    config: Config,
    *,
    dataset_name: str,
    work_dir: Path,
    variant: str = "",
    inputs: Mapping[str, Path] | None = None,
    resume: bool = True,
) -> Artifact:
    """Run a stage unless its artifact is there already, and publish what it made.

    Of several processes (`wsss.distributed`) the main one holds the folder, prepares it and publishes; all of
    them run the stage on it.

    Args:
        stage: the stage.
        config: its resolved config.
        dataset_name: the name on the command line, for messages.
        work_dir: folder of this data set's artifacts.
        variant: published as ``KIND-VARIANT``; empty for the main one.
        inputs: folders to read instead of ``work_dir / KIND``.
        resume: False starts anew.

    Returns:
        The published artifact.

    Raises:
        ArtifactError: an input is missing (the message names the command that makes it) or another run
            holds the folder.
        WsssError: what the stage itself raises.
    """
    name = f"{stage.writes}-{variant}" if variant else stage.writes
    out_dir = work_dir / name
    with main_first():
        dataset = build_dataset(config.dataset)
    artifacts = _open_inputs(stage, config, dataset_name, work_dir, inputs or {})
    with contextlib.ExitStack() as held:
        state: dict[str, Any] = {}
        if is_main():
            state = _state(stage, config, dataset, artifacts)
            held.enter_context(_only_run(work_dir, name))
            held.enter_context(_log_file(out_dir))
        if main_says(is_main() and _is_published(out_dir, state["key"], resume)):
            logger.info("%s: up to date in %s, skipped", name, out_dir)
            return open_artifact(out_dir)
        if is_main():
            _prepare(stage, out_dir, name, state=state, resume=resume)
            logger.info("%s: runs for %s, into %s", name, dataset_name, out_dir)
        wait()
        begin = time.monotonic()
        result = stage.run(Job(config, dataset, artifacts, out_dir))
        wait()
        seconds = time.monotonic() - begin
        if is_main():
            manifest = _manifest(stage, name, dataset_name, dataset, state, result)
            write_json(out_dir / MANIFEST, manifest | {"seconds": round(seconds, 1)} | _origin())
            (out_dir / UNFINISHED).unlink(missing_ok=True)
        logger.info("%s: published %d files in %.0f s", name, len(result.image_ids), seconds)
        wait()
        return open_artifact(out_dir)


def _state(
    stage: Stage, config: Config, dataset: DataSet, artifacts: Mapping[str, Artifact]
) -> dict[str, Any]:
    """All that the artifact's content depends on, and its hash."""
    settings = _settings(config)
    sources = {kind: artifact.key for kind, artifact in artifacts.items()}
    sources["dataset"] = dataset.fingerprint(config.dataset.train_split)
    key = _key(stage, settings, sources)
    return {"key": key, "stage_schema": stage.schema, "settings": settings, "inputs": sources}


def _manifest(
    stage: Stage, name: str, dataset_name: str, dataset: DataSet, state: Mapping[str, Any], result: Result
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "stage_schema": stage.schema,
        "kind": stage.writes,
        "name": name,
        "dataset": dataset_name,
        "classes": list(dataset.classes),
        "split": result.split,
        "count": len(result.image_ids),
        "ids_sha256": hashlib.sha256("\n".join(result.image_ids).encode()).hexdigest(),
        "image_ids": list(result.image_ids),
        "key": state["key"],
        "settings": state["settings"],
        "inputs": state["inputs"],
        "figures": dict(result.figures),
        "thresholds": dict(result.thresholds),
        **result.extra,
    }


def _origin() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"finished": now.isoformat(timespec="seconds"), "code": _commit()}


def _open_inputs(
    stage: Stage, config: Config, dataset_name: str, work_dir: Path, given: Mapping[str, Path]
) -> dict[str, Artifact]:
    makers = {"seeds": "seeds", "masks": "refine", "segment": "segment"}
    artifacts = {}
    for name in config.get("reads", stage.reads):
        kind = name.partition("-")[0]  # seeds-cam holds seeds
        folder = given.get(name, work_dir / name)
        try:
            artifacts[name] = open_artifact(folder)
        except ArtifactError as error:
            maker = (
                f"tools/run_stage.sh {makers[kind]} {dataset_name}" if kind in makers else "correct 'reads'"
            )
            raise ArtifactError(f"{error} ({stage.name} needs it: {maker})") from error
        if artifacts[name].kind != kind:
            raise ArtifactError(
                f"expected {kind} in {folder}, got {artifacts[name].kind}: give the folder of {kind}"
            )
    return artifacts


def _settings(config: Config) -> dict[str, Any]:
    """Settings that the artifact's content depends on, flat; weights files stand by their hash."""
    settings = {}
    for name, value in flatten(config):
        leaf = name.rsplit(".", 1)[-1]
        # By the last word alone: `labels` is a file of the data set, and a table of settings of refine.
        if leaf in NEUTRAL or name.startswith("baselines."):
            continue
        settings[name] = weights_sha256(value) if leaf == "pretrained" else value
    return json.loads(json.dumps(settings, default=str))


def _key(stage: Stage, settings: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    content = [stage.writes, SCHEMA, stage.schema, settings, sources]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_published(out_dir: Path, key: str, resume: bool) -> bool:
    """Whether the artifact in ``out_dir`` is whole and what this job would make."""
    if not resume or not (out_dir / MANIFEST).is_file():
        return False
    try:
        artifact = open_artifact(out_dir)
    except ArtifactError as error:
        logger.warning("%s", error)
        return False
    return artifact.key == key


def _prepare(stage: Stage, out_dir: Path, name: str, *, state: Mapping[str, Any], resume: bool) -> None:
    """Continue a half-filled folder of the same job; set aside anything else as ``NAME.previous``."""
    before = _read_state(out_dir)
    if before is not None and resume and before.get("key") == state["key"]:
        logger.info("%s: continues where it was interrupted", name)
        (out_dir / MANIFEST).unlink(missing_ok=True)
    elif before is not None:
        changes = _changes(before, state)
        previous = out_dir.with_name(f"{name}.previous")
        reasons = "; ".join(changes.values()) or "--no-resume"
        logger.info("%s: stale (%s); the old one is kept in %s", name, reasons, previous)
        shutil.rmtree(previous, ignore_errors=True)
        out_dir.rename(previous)
        if resume:
            _take_over(stage, previous, out_dir, changes)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / UNFINISHED, state)


def _take_over(stage: Stage, previous: Path, out_dir: Path, changes: Mapping[str, str]) -> None:
    """Copy the parts that do not depend on what changed."""
    for part, free in stage.parts.items():
        depends = [one for one in changes if not any(f"{one}.".startswith(f"{other}.") for other in free)]
        if changes and not depends and (previous / part).is_dir():
            logger.info("%s: %s does not depend on that and is taken over", out_dir.name, part)
            shutil.copytree(previous / part, out_dir / part)


def _read_state(out_dir: Path) -> dict[str, Any] | None:
    """Key, settings and inputs of whatever lies in the folder, or None where there is nothing of ours."""
    for file in (out_dir / UNFINISHED, out_dir / MANIFEST):
        if file.is_file():
            try:
                state = json.loads(file.read_text())
            except (OSError, ValueError):
                return {}
            return state if isinstance(state, dict) else {}
    return None


def _changes(before: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, str]:
    """What differs between a folder's state and this job's: name -> the change in words."""
    old, new = before.get("settings", {}), state["settings"]
    changes = {
        name: f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }
    inputs = before.get("inputs", {})
    changes |= {
        f"input {kind}": f"input {kind} changed"
        for kind, key in sorted(state["inputs"].items())
        if inputs.get(kind) != key
    }
    if before.get("stage_schema", state["stage_schema"]) != state["stage_schema"]:
        changes["stage_schema"] = "made by another version of the stage"
    return changes


@contextlib.contextmanager
def _only_run(work_dir: Path, name: str) -> Iterator[None]:
    """Hold the folder: a second run on it stops at once. The lock goes with the process, however it ends."""
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        stream = (work_dir / f".{name}.lock").open("a")
    except OSError as error:
        raise ArtifactError(
            f"expected a work folder that can be written, got: {error}: change --work-dir"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArtifactError(
                f"expected to be the only run on {work_dir / name}, another one holds it: "
                "wait for it or change --work-dir"
            ) from error
        yield


@contextlib.contextmanager
def _log_file(out_dir: Path) -> Iterator[None]:
    """Copy the log into one file per stage, which outlives restarts: ``NAME.log`` beside the folder."""
    handler = logging.FileHandler(out_dir.with_name(f"{out_dir.name}.log"), encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _commit() -> str:
    """Commit of the checkout, with ``+changes`` where files differ from it; "unknown" outside git."""
    command = [
        "git",
        "-C",
        str(PROJECT_ROOT),
        "describe",
        "--always",
        "--abbrev=12",
        "--dirty=+changes",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def stale_reasons(artifact: Artifact, stage: Stage, config: Config) -> list[str]:
    """What changed since an artifact was published, in words; where nothing did, a run would skip it.

    Inputs are looked for beside the artifact. An input or a data set that is not there is not compared.

    Raises:
        ConfigError: weights that the config names are not there.
    """
    manifest = artifact.manifest
    sources = dict(manifest["inputs"])
    for kind in config.get("reads", stage.reads):
        with contextlib.suppress(ArtifactError):
            sources[kind] = open_artifact(artifact.dir.parent / kind).key
    # The demo would be made on the spot; looking must not do that.
    if resolve_path(config.dataset.root).is_dir():
        with contextlib.suppress(DataError):
            sources["dataset"] = build_dataset(config.dataset).fingerprint(config.dataset.train_split)
    state = {"settings": _settings(config), "inputs": sources, "stage_schema": stage.schema}
    return list(_changes(manifest, state).values())
