"""Threshold curves from stored maps, and loss curves from the logs."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import Artifact, Seed, read_seed
from wsss.datasets import DataSet
from wsss.evaluate import THRESHOLDS, Scores, evaluate_masks, sweep_seeds
from wsss.metrics import mean_iou
from wsss.report.layers import Entry
from wsss.thresholds import Threshold, oracle_threshold

_STEP = re.compile(r" INFO (?P<what>.+?): step (?P<step>\d+)/(?P<steps>\d+), rate \S+, (?P<terms>.+)$")
_CONTINUES = re.compile(r" INFO \S+: continues where ")
_STARTS = re.compile(r" INFO \S+: runs for ")
_WARNING = re.compile(r"^\S+ \S+ (WARNING|ERROR) (?P<text>.*)$")


@dataclasses.dataclass(frozen=True)
class Curve:
    """mIoU over thresholds.

    Attributes:
        name: of the artifact, or of what of it is cut.
        thresholds: (T,) in (0, 1).
        scores: (T,) mIoU in [0, 1].
        chosen: the threshold that is marked: the one in use, or the best one where each image has its own.
        images: how many were scored.
    """

    name: str
    thresholds: NDArray[np.float64]
    scores: NDArray[np.float64]
    chosen: Threshold
    images: int


@dataclasses.dataclass(frozen=True)
class Scored:
    """An entry measured anew from its files.

    Attributes:
        scores: at the threshold in use.
        curves: those that can be drawn; empty for predictions.
        threshold: the one of seeds that publish none; ground truth chose it.
    """

    scores: Scores
    curves: tuple[Curve, ...] = ()
    threshold: Threshold | None = None


def score_entry(
    entry: Entry, dataset: DataSet, image_ids: Sequence[str], *, read_walk: Callable[[Path], Seed] = read_seed
) -> Scored:
    """Measure an entry on some of its images.

    Args:
        entry: seeds, masks or predictions.
        dataset: holds the ground truth.
        image_ids: images that have some.
        read_walk: reads the soft scores that masks were cut from, with their own way to full size.

    Raises:
        ArtifactError: a file is damaged.
        DataError: a file is not of its image's size.
    """
    artifact = entry.artifact
    if artifact.kind != "seeds":
        scores = evaluate_masks(entry.labels, dataset, image_ids, description=f"score {entry.name}")
        return Scored(scores, _walk_curve(entry, dataset, image_ids, read_walk))
    sweep = sweep_seeds(
        lambda one: read_seed(artifact.file(one)), dataset, image_ids, description=f"score {entry.name}"
    )
    values = np.array([mean_iou(one.confusion) for one in sweep])
    own = None if artifact.manifest.get("thresholds", {}).get("seed") else _best(values, artifact)
    chosen = own or entry.threshold
    at = int(np.abs(THRESHOLDS - (chosen.value or 0)).argmin())
    return Scored(sweep[at], (Curve(entry.name, THRESHOLDS, values, chosen, len(image_ids)),), own)


def _best(values: NDArray[np.float64], artifact: Artifact) -> Threshold:
    return oracle_threshold(float(THRESHOLDS[int(values.argmax())]), artifact.split)


def _walk_curve(
    entry: Entry, dataset: DataSet, image_ids: Sequence[str], read_walk: Callable[[Path], Seed]
) -> tuple[Curve, ...]:
    """The curve of the scores that masks were cut from, where they were kept."""
    artifact = entry.artifact
    chosen = Threshold.of_json(artifact.manifest.get("thresholds", {}).get("background_score"))
    files = {one: artifact.dir / "walk" / f"{one}.npz" for one in image_ids}
    if chosen is None or not all(file.is_file() for file in files.values()):
        return ()
    name = f"{entry.name}: walk"
    sweep = sweep_seeds(lambda one: read_walk(files[one]), dataset, image_ids, description=f"score {name}")
    values = np.array([mean_iou(one.confusion) for one in sweep])
    # Where each mask has its own score, the curve shows the best one for all.
    marked = _best(values, artifact) if chosen.value is None else chosen
    return (Curve(name, THRESHOLDS, values, marked, len(image_ids)),)


def read_losses(log: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Losses of each training in a stage's log, of its last run.

    Args:
        log: ``NAME.log`` beside a published folder; older runs may stand in it too.

    Returns:
        What was trained -> term of the loss -> (step, mean over the steps before it).
    """
    trainings: dict[str, dict[str, list[tuple[int, float]]]] = {}
    last: dict[str, int] = {}
    for line in _lines(log):
        found = _STEP.search(line)
        if found is None:
            continue
        what, step = found["what"], int(found["step"])
        # A training that begins again is another run.
        if step <= last.get(what, 0):
            trainings[what] = {}
        last[what] = step
        for term in found["terms"].split(", "):
            name, _, value = term.rpartition(" ")
            trainings.setdefault(what, {}).setdefault(name, []).append((step, float(value)))
    return trainings


def read_warnings(log: Path) -> list[str]:
    """Warnings and errors of the last run in a stage's log, each once."""
    found: dict[str, None] = {}
    continues = False
    for line in _lines(log):
        if _CONTINUES.search(line):
            continues = True
        elif _STARTS.search(line):
            found, continues = found if continues else {}, False
        match = _WARNING.match(line)
        if match is not None:
            found[match["text"]] = None
    return list(found)


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def losses_of(entries: Sequence[Entry]) -> Mapping[str, dict[str, dict[str, list[tuple[int, float]]]]]:
    """Name of an entry -> its trainings, as `read_losses` gives them; those without a log are left out."""
    found = {one.name: read_losses(log_of(one)) for one in entries}
    return {name: trainings for name, trainings in found.items() if trainings}


def log_of(entry: Entry) -> Path:
    """The log that a stage writes beside what it publishes."""
    folder = entry.artifact.dir
    return folder.with_name(f"{folder.name}.log")
