"""The engine behind every stage: what a run would do is known first; then it skips, continues or makes."""

import contextlib
import dataclasses
import datetime
import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.artifacts import (
    SCHEMA,
    SUFFIXES,
    Artifact,
    Damage,
    changed_since,
    find_damage,
    has_copy,
    open_artifact,
    publish,
    read_artifact,
)
from wsss.config import Settings
from wsss.contents import CACHE, Contents
from wsss.datasets import DataSet, build_dataset
from wsss.datasets.made import only_looking
from wsss.distributed import is_main, main_first, main_says, processes, wait
from wsss.errors import ArtifactError, DataError
from wsss.fingerprint import fingerprint
from wsss.folder import (
    PREVIOUS,
    UNFINISHED,
    begin_folder,
    continue_folder,
    is_finished,
    log_file,
    only_run,
    read_state,
)
from wsss.keys import changes, is_part_of, key_of, settings_that_matter
from wsss.log import logger
from wsss.paths import resolve_path
from wsss.provenance import command, commit, machine, threads
from wsss.stage import Input, Job, Preview, Result, Stage, Step
from wsss.thresholds import Threshold


def open_input(name: str, folder: Path) -> Input:
    """A published folder as an input.

    Raises:
        ArtifactError: nothing is published there, or another kind.
    """
    artifact = open_artifact(folder)
    found = Input(name, folder, artifact.key, artifact.manifest.get("settings", {}), artifact)
    if artifact.kind != found.kind:
        raise ArtifactError(
            f"expected {found.kind} in {folder}, got {artifact.kind}: give the folder of {found.kind}"
        )
    return found


def plan_step(
    stage: Stage,
    settings: Settings,
    dataset: DataSet,
    *,
    dataset_name: str,
    work_dir: Path,
    variant: str = "",
    inputs: Mapping[str, Input] | None = None,
    resume: bool = True,
    repair: bool = False,
) -> Step:
    """Find out what a run of a stage would do, and refuse what cannot work; nothing is made.

    Args:
        stage: the stage.
        settings: its resolved settings.
        dataset: the data set that they name.
        dataset_name: the name on the command line, for messages.
        work_dir: folder of this data set's artifacts.
        variant: published as ``KIND-VARIANT``; empty for the main one.
        inputs: by name, at least those that the stage reads.
        resume: False starts anew.
        repair: read all of what is published, and remake what is damaged in it.

    Raises:
        ArtifactError: without ``repair``: a published file changed.
        WsssError: what `Stage.check` finds, a list, tag or image that is not there.
    """
    out_dir = work_dir / (f"{stage.writes}-{variant}" if variant else stage.writes)
    read = {name: (inputs or {})[name] for name in stage.reads(settings.config)}
    step = Step(stage, settings, dataset, dataset_name, out_dir, read, {}, "run")
    if not is_main():
        return step
    contents = Contents(work_dir / CACHE)
    step = dataclasses.replace(step, state=_state(step, contents), before=read_state(out_dir))
    published = _published(out_dir) if resume else None
    fits = published is not None and published.key == step.state["key"]
    damage = Damage() if published is None else find_damage(published, Contents() if repair else contents)
    with contextlib.suppress(ArtifactError):
        contents.save()
    if published is not None and fits:
        if damage.changed and not repair:
            raise changed_since(published, damage.changed)
        if not _must_be_mended(published, damage, repair=repair):
            _say_what_was_remade(published, read)
            return dataclasses.replace(step, action="skip")
    stage.check(Preview(settings.config, dataset, read))
    before = step.before
    if before is None:
        return step
    if fits:
        return dataclasses.replace(step, action="continue", damage=damage)
    if resume and before.get("key") == step.state["key"]:
        return dataclasses.replace(step, action="continue")
    found = changes(before, step.state) if before else {"": "nobody knows how it was made"}
    reasons = tuple(found.values()) or ("--no-resume",)
    parts = _parts_that_hold(step, list(found), damage) if resume and before else ()
    return dataclasses.replace(step, reasons=reasons, takes_over=parts)


def run_stage(
    stage: Stage,
    settings: Settings,
    *,
    dataset_name: str,
    work_dir: Path,
    variant: str = "",
    inputs: Mapping[str, Path] | None = None,
    resume: bool = True,
) -> Artifact:
    """Plan one stage and run it at once: for programs that have their settings already.

    Args:
        stage: the stage.
        settings: its resolved settings.
        dataset_name: the name for messages.
        work_dir: folder of this data set's artifacts.
        variant: published as ``KIND-VARIANT``; empty for the main one.
        inputs: folders to read instead of ``work_dir / NAME``.
        resume: False starts anew.

    Raises:
        WsssError: what the plan or the stage finds.
    """
    with main_first():
        dataset = build_dataset(settings.config.dataset)
    given = inputs or {}
    step = plan_step(
        stage,
        settings,
        dataset,
        dataset_name=dataset_name,
        work_dir=work_dir,
        variant=variant,
        inputs={
            name: open_input(name, given.get(name, work_dir / name)) for name in stage.reads(settings.config)
        },
        resume=resume,
    )
    return run_step(step)


def run_step(step: Step) -> Artifact:
    """Do what was planned, and publish what was made.

    Of several processes (`wsss.distributed`) the main one holds the folder, prepares it and publishes; all of
    them run the stage on it.

    Raises:
        ArtifactError: another run holds the folder, or an input is gone.
        WsssError: what the stage itself raises.
    """
    stage, name, out_dir = step.stage, step.name, step.out_dir
    if main_says(is_main() and step.action == "skip"):
        logger.info("%s: up to date in %s, skipped", name, out_dir)
        return _expect_key(open_artifact(out_dir), step.state.get("key"))
    with contextlib.ExitStack() as held:
        if is_main():
            held.enter_context(only_run(out_dir.parent, name))
            _expect_untouched(step)
            held.enter_context(log_file(out_dir))
            _prepare(step)
            logger.info("%s: runs for %s, into %s", name, step.dataset_name, out_dir)
        wait()
        begin = time.monotonic()
        artifacts = {one: _expect_key(open_artifact(read.dir), read.key) for one, read in step.inputs.items()}
        result = stage.run(Job(step.settings, step.dataset, artifacts, out_dir))
        wait()
        seconds = time.monotonic() - begin
        if is_main():
            publish(out_dir, _manifest(step, artifacts, result, seconds), Contents(out_dir.parent / CACHE))
            (out_dir / UNFINISHED).unlink(missing_ok=True)
        logger.info("%s: published %d files in %.0f s", name, len(result.image_ids), seconds)
        wait()
        return open_artifact(out_dir)


def _expect_key(artifact: Artifact, key: str | None) -> Artifact:
    """The artifact, if it is the one that was planned with; processes that do not publish know no keys."""
    if key and artifact.key != key:
        raise _changed_meanwhile(artifact.dir)
    return artifact


def _expect_untouched(step: Step) -> None:
    """Refuse a folder that another run filled or published between the plan and the lock."""
    if read_state(step.out_dir) != step.before:
        raise _changed_meanwhile(step.out_dir)


def _changed_meanwhile(folder: Path) -> ArtifactError:
    return ArtifactError(
        f"expected {folder} as it was when this run was planned, got another: another run changed it, "
        "run again"
    )


def _prepare(step: Step) -> None:
    if step.action == "continue":
        if step.damage:
            _remove_damaged(step)
        else:
            logger.info("%s: continues where it was interrupted", step.name)
        continue_folder(step.out_dir, step.state, _files_of_images(step))
        return
    if step.reasons:
        logger.info("%s: stale (%s)", step.name, "; ".join(step.reasons))
    begin_folder(step.out_dir, step.state, list(step.takes_over), _files_of_images(step))


def _files_of_images(step: Step) -> frozenset[str]:
    """Names of the files that a step may make of single images, from its folder on."""
    splits = step.stage.splits(step.settings.config)
    ids = {one for split in splits for one in step.dataset.ids(split)}
    ids.update(*(read_artifact(read.dir).ids for read in step.inputs.values()))
    return frozenset(f"{one}{SUFFIXES[step.stage.writes]}" for one in ids)


def _state(step: Step, contents: Contents) -> dict[str, Any]:
    """All that the artifact's content depends on, and its hash."""
    stage, config = step.stage, step.settings.config
    settings = settings_that_matter(config, [*stage.neutral, *stage.owned])
    sources = {f"input {name}": read.key for name, read in step.inputs.items()}
    for split in dict.fromkeys(stage.splits(config)):
        sources |= fingerprint(step.dataset, split, contents)
    key = key_of(stage.writes, stage.schema, settings, sources)
    return {"key": key, "stage_schema": stage.schema, "settings": settings, "inputs": sources}


def _published(out_dir: Path) -> Artifact | None:
    """What is published in a folder, whole or not; None: nothing, or nobody knows what.

    Raises:
        ArtifactError: its manifest is damaged, and there is a copy to restore it from.
    """
    try:
        is_lost = not (out_dir / UNFINISHED).is_file() and has_copy(out_dir)
        return read_artifact(out_dir) if is_finished(out_dir) or is_lost else None
    except ArtifactError as error:
        if has_copy(out_dir):
            raise
        logger.warning("%s", error)
        return None


def _must_be_mended(published: Artifact, damage: Damage, *, repair: bool) -> bool:
    """Whether files are lacking: any of those that were published, or, for a run, those of images alone."""
    images = [one for one in published.ids if not published.file(one).is_file()]
    if images:
        logger.warning(
            "expected %d files in %s, %d are gone (first: %s)",
            len(published.ids),
            published.dir,
            len(images),
            images[0],
        )
    return bool(images) or (repair and bool(damage))


def _say_what_was_remade(published: Artifact, inputs: Mapping[str, Input]) -> None:
    """Warn of inputs whose files are others than those that were read, though their settings are the same."""
    read = published.manifest.get("read") or {}
    for name, one in inputs.items():
        if one.artifact is not None and read.get(name) not in (None, one.artifact.content):
            logger.warning(
                "%s: expected %s as it was read, got files that were made anew since, with the same "
                "settings: --no-resume makes %s anew too",
                *(published.dir.name, one.dir, published.dir.name),
            )


def _remove_damaged(step: Step) -> None:
    """Make room for files that are to be made again; the folder still is a published one that lacks some.

    So a run that is killed here finds files that are gone, and none that nobody vouches for.
    """
    for name in step.damage.changed:
        file = step.out_dir / name
        shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
    names = sorted((*step.damage.changed, *step.damage.absent))
    logger.info("%s: remakes %d files: %s", step.name, len(names), ", ".join(names))


def _parts_that_hold(step: Step, changed: Sequence[str], damage: Damage) -> tuple[str, ...]:
    """Subfolders that do not depend on what changed, and in which no file is damaged."""
    broken = {name.partition("/")[0] for name in damage.changed}
    parts = step.stage.parts(step.settings.config)
    return tuple(
        part
        for part, free in parts.items()
        if changed and all(any(is_part_of(one, other) for other in free) for one in changed)
        if part not in broken and (step.out_dir / part).is_dir()
    )


def _manifest(step: Step, inputs: Mapping[str, Artifact], result: Result, seconds: float) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    own = {
        "schema": SCHEMA,
        "stage_schema": step.stage.schema,
        "kind": step.stage.writes,
        "name": step.name,
        "dataset": step.dataset_name,
        "classes": list(step.dataset.classes),
        "split": result.split,
        "count": len(result.image_ids),
        "ids_sha256": hashlib.sha256("\n".join(result.image_ids).encode()).hexdigest(),
        "image_ids": list(result.image_ids),
        "key": step.state["key"],
        "settings": step.state["settings"],
        "inputs": step.state["inputs"],
        "read": {name: one.content for name, one in inputs.items()},
        "figures": dict(result.figures),
        "thresholds": {
            name: one.as_json() if isinstance(one, Threshold) else one
            for name, one in result.thresholds.items()
        },
        "seconds": round(seconds, 1),
        "finished": now.isoformat(timespec="seconds"),
        "code": commit(),
        "machine": machine(),
        "processes": processes(),
        "threads": threads(),
        "command": command(),
    }
    both = sorted(own.keys() & result.extra.keys())
    if both:
        raise ValueError(f"expected extra facts beside the manifest's own entries, got {both}: rename them")
    return own | dict(result.extra)


def last_seconds(out_dir: Path) -> tuple[float, int] | None:
    """Seconds and images of the last run that filled a folder, or the one before it; None: never ran."""
    for folder in (out_dir, out_dir.with_name(out_dir.name + PREVIOUS)):
        state = read_state(folder) or {}
        if "seconds" in state and state.get("count"):
            return float(state["seconds"]), int(state["count"])
    return None


def changes_since(artifact: Artifact, stage: Stage, settings: Settings) -> dict[str, str]:
    """What changed since an artifact was published; where nothing did, a run would skip it.

    Inputs are looked for beside the artifact. An input or a data set that is not there is not compared.

    Args:
        artifact: what was published.
        stage: the stage that publishes it.
        settings: its settings today.

    Returns:
        Name of the setting or input -> the change in words.

    Raises:
        ConfigError: weights that the config names are not there.
    """
    config = settings.config
    sources: dict[str, str] = {}
    for name in stage.reads(config):
        with contextlib.suppress(ArtifactError):
            sources[f"input {name}"] = open_artifact(artifact.dir.parent / name).key
    if resolve_path(config.dataset.root).is_dir():
        # The demo would be made on the spot, or in place of one with other settings.
        with contextlib.suppress(DataError), only_looking():
            contents, dataset = Contents(artifact.dir.parent / CACHE), build_dataset(config.dataset)
            for split in dict.fromkeys(stage.splits(config)):
                sources |= fingerprint(dataset, split, contents)
    wanted = settings_that_matter(config, [*stage.neutral, *stage.owned])
    state = {"settings": wanted, "inputs": sources, "stage_schema": stage.schema}
    return changes(artifact.manifest, state)
