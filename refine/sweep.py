"""Other seed powers and background scores for published masks, from stored files: no network runs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refine.infer import EDGE, WalkScores, read_edge, read_walk_and_edge, walk_seed
from refine.labels import read_seed_as_set
from refine.methods.irn import THRESHOLDS as THRESHOLDS_OF_IRN
from refine.outlines import BY_EDGES, mean_of_outlines, score_of_outlines
from wsss.artifacts import IGNORE, Artifact, grid_of, open_artifact
from wsss.datasets import DataSet
from wsss.datasets.base import LabelFile
from wsss.errors import ArtifactError, DataError
from wsss.evaluate import THRESHOLDS, Scores, threshold_confusions
from wsss.metrics import mean_iou
from wsss.processes import map_images
from wsss.thresholds import TAGS, Threshold


def sweep_masks(
    masks: Artifact,
    dataset: DataSet,
    *,
    powers: Sequence[float] = (),
    seeds_dir: Path | None = None,
    num_workers: int = 0,
) -> list[dict[str, Any]]:
    """Score other choices than those that published masks were made with.

    Args:
        masks: published by the stage refine.
        dataset: holds the ground truth.
        powers: seed powers to try besides the one in use. The power acts before the walk, so each of them
            walks again, from the seeds and the stored edges.
        seeds_dir: the seeds that the masks were made from; None: ``seeds`` beside the masks.
        num_workers: processes; 0 for one per CPU core.

    Returns:
        Rows of ``seed_power``, ``background_score`` (a number, or "per image"), ``chosen`` (by whom, and
        whether ground truth was used), ``mIoU``, ``false_positive``, ``false_negative`` and ``images``. They
        hold before any CRF and without unsure pixels.

    Raises:
        ArtifactError: the masks are not this stage's, or the seeds are not those they were made from.
        DataError: no image has ground truth.
    """
    settings = settings_of(masks)
    scored = {one: dataset.truth_file(one) for one in masks.ids if dataset.mask_path(one) is not None}
    if not scored:
        raise DataError(
            f"expected ground truth for some of {len(masks.ids)} images, found none: a sweep needs masks"
        )
    used = float(settings["infer"]["seed_power"])
    seeds = _seeds_of(masks, seeds_dir) if set(powers) - {used} else None
    rows = []
    for power in dict.fromkeys([used, *powers]):
        stored = power == used or seeds is None
        again = {**settings, "infer": {**settings["infer"], "seed_power": power}}
        walks = {
            one: _Walk(
                masks.dir, one, None if stored or seeds is None else seeds.file(one), dataset.tags(one), again
            )
            for one in masks.ids
        }
        outlines = mean_of_outlines([*walks], read=functools.partial(_read, walks))
        tasks = [_Task(walks[one], outlines, truth) for one, truth in scored.items()]
        tally = _Tally(len(dataset.classes))
        for count in map_images(_count, tasks, f"seed power {power:g}", num_workers=num_workers):
            tally.add(count)
        rows += [{"seed_power": power} | row for row in _rows(tally, masks, dataset, len(scored), stored)]
    return rows


def _rows(
    tally: _Tally, masks: Artifact, dataset: DataSet, images: int, stored: bool
) -> list[dict[str, Any]]:
    """Rows of one seed power: the choice in use, the best one, and those that differ between images."""
    confusions = tally.fixed
    used = Threshold.of_json(masks.manifest["thresholds"].get("background_score"))
    highest = int(np.argmax([mean_iou(one) for one in confusions]))
    choices: list[tuple[float | str, str, NDArray[np.int64]]] = []
    if stored and used is not None and used.value is not None:
        nearest = int(np.abs(THRESHOLDS - used.value).argmin())
        choices.append((float(THRESHOLDS[nearest]), used.chosen_by, confusions[nearest]))
    choices.append(("per image", BY_EDGES, tally.outlines))
    choices.append((float(THRESHOLDS[highest]), f"oracle, {masks.split}", confusions[highest]))
    choices.append(("per image", f"oracle of each image, {masks.split}", tally.best))
    rows = []
    for score, chosen, confusion in choices:
        figures = Scores(confusion, tuple(dataset.classes), images).figures()
        kept = {name: figures[name] for name in ("mIoU", "false_positive", "false_negative", "images")}
        rows.append({"background_score": score, "chosen": chosen} | kept)
    return rows


@dataclasses.dataclass(frozen=True)
class _Walk:
    """One image's walk: as stored in a folder of masks, or again from a seed between the stored edges."""

    folder: Path
    image_id: str
    seed: Path | None
    tags: Sequence[int]
    settings: Mapping[str, Any]

    def read(self) -> tuple[WalkScores, NDArray[np.float32]]:
        """The walked seed, and its edges (h, w)."""
        if self.seed is None:
            return read_walk_and_edge(self.folder, self.image_id)
        seed = read_seed_as_set(self.seed, self.settings["labels"], self.tags)
        edge = read_edge(self.folder / EDGE / f"{self.image_id}.png", grid_of(seed.size))
        maps = walk_seed(seed, edge, self.settings["infer"])
        # Rounded as in the stage's files, so that what is found here holds there.
        scores = WalkScores(seed.classes, maps.astype(np.float16).astype(np.float32), seed.size)
        return scores, edge[0].numpy()


def _read(walks: Mapping[str, _Walk], image_id: str) -> tuple[WalkScores, NDArray[np.float32]]:
    return walks[image_id].read()


@dataclasses.dataclass(frozen=True)
class _Task:
    """One image to score: its walk, the outlines of all images, and its ground truth."""

    walk: _Walk
    outlines: NDArray[np.float64]
    truth: LabelFile


@dataclasses.dataclass(frozen=True)
class _Count:
    """Confusion matrices of one image among the L labels that occur in it: little to send, also on COCO.

    Attributes:
        labels: (L,) of the data set, ascending from 0.
        confusions: (len(THRESHOLDS), L, L), at every background score.
        outlines: index of the background score by the edges along the outlines.
        best: index of the image's best one.
    """

    labels: NDArray[np.int64]
    confusions: NDArray[np.int64]
    outlines: int
    best: int


def _count(task: _Task) -> _Count:
    scores, edge = task.walk.read()
    truth = task.truth.read()
    labels = np.union1d([0, *scores.classes], truth[truth != IGNORE]).astype(np.int64)
    index = np.full(IGNORE + 1, IGNORE, np.uint8)
    index[labels] = np.arange(len(labels))
    few = dataclasses.replace(scores, classes=index[scores.classes])
    confusions = threshold_confusions(few, index[truth], len(labels) - 1)
    outlines = int(np.abs(THRESHOLDS - score_of_outlines(scores, edge, task.outlines)).argmin())
    return _Count(labels, confusions, outlines, int(np.argmax([mean_iou(one) for one in confusions])))


class _Tally:
    """Sums over the images, (C+1, C+1) each: at all background scores, by the edges, at each image's best."""

    def __init__(self, classes: int) -> None:
        self.fixed = np.zeros((len(THRESHOLDS), classes + 1, classes + 1), np.int64)
        self.outlines = np.zeros_like(self.fixed[0])
        self.best = np.zeros_like(self.fixed[0])

    def add(self, count: _Count) -> None:
        """Count one image."""
        at = np.ix_(count.labels, count.labels)
        self.fixed[:, at[0], at[1]] += count.confusions
        self.outlines[at] += count.confusions[count.outlines]
        self.best[at] += count.confusions[count.best]


def settings_of(masks: Artifact) -> dict[str, dict[str, Any]]:
    """The tables ``labels`` and ``infer`` of the config that the masks were made with.

    Raises:
        ArtifactError: the masks are not this stage's.
    """
    tables: dict[str, dict[str, Any]] = {"labels": {"image_specific": False}, "infer": {}}
    for name, value in masks.manifest.get("settings", {}).items():
        table, _, leaf = name.partition(".")
        if table in tables:
            tables[table][leaf] = value
    if masks.kind != "masks" or not {"seed_power", "radius", "beta", "steps"} <= tables["infer"].keys():
        raise ArtifactError(
            f"expected masks of the method irn in {masks.dir}, got {masks.kind} without its settings: "
            "a sweep needs the walks that it keeps"
        )
    for entry, name in THRESHOLDS_OF_IRN.items():
        table, _, leaf = name.partition(".")
        chosen = Threshold.of_json(masks.manifest["thresholds"].get(entry))
        if tables[table].get(leaf) == TAGS and chosen is not None:
            tables[table][leaf] = chosen.value
    return tables


def _seeds_of(masks: Artifact, seeds_dir: Path | None) -> Artifact:
    seeds = open_artifact(seeds_dir or masks.dir.parent / "seeds")
    if seeds.key != masks.manifest["inputs"]["input seeds"]:
        raise ArtifactError(
            f"expected the seeds that {masks.dir} was made from, got others in {seeds.dir}: name theirs with "
            "--seeds"
        )
    return seeds
