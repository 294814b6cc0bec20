"""How many points each part of the masks could still give, each with the help of ground truth.

``python benchmarks/ladder.py [DATASET] [--work-dir DIR] [--data-root DIR] [--seeds NAME] [--masks NAME]
[--every N]``. Reads published seeds, and masks made of them where they are there, and prints the mIoU on the
scored split of:

- seeds: at the preset's threshold; at the best one for all images; at the best one of each image
- tags by truth: where the best threshold finds an object, the class is the true one if there is any
- extent by truth: background where the truth has it, elsewhere the class with the highest map
- masks: the same three of the scores that walked, and the score in use
- edges by truth: the same seeds walk between the borders of the ground truth, at the best score

"Best" is the oracle's each time: these are bounds, not results.
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from ratios import print_ratio, skip
from refine.infer import WALK, WalkScores, read_walk, walk_seed
from refine.labels import read_seed_as_set
from refine.sweep import settings_of
from seeds.stage import STAGE
from wsss.artifacts import IGNORE, MANIFEST, open_artifact, read_seed
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.datasets.base import LabelFile
from wsss.evaluate import THRESHOLDS, threshold_confusions
from wsss.metrics import confusion_matrix, iou, mean_iou
from wsss.paths import PROJECT_ROOT
from wsss.processes import map_images
from wsss.scored import scored_images


@dataclasses.dataclass(frozen=True)
class Task:
    """One image; without masks, ``walk`` and ``settings`` are None."""

    seed: Path
    truth: LabelFile
    classes: int
    walk: Path | None = None
    settings: Mapping[str, Any] | None = None


def count(task: Task) -> dict[str, np.ndarray]:
    """Confusion matrices of one image: at all thresholds, or one alone."""
    truth = task.truth.read()
    found = _of_maps("seeds", read_seed(task.seed), truth, task.classes)
    if task.walk is not None and task.settings is not None:
        found |= _of_maps("masks", read_walk(task.walk), truth, task.classes)
        start = read_seed_as_set(task.seed, task.settings["labels"])
        walked = walk_between(true_edges(truth), start, task.settings["infer"])
        found["edges by truth"] = threshold_confusions(walked, truth, task.classes)
    return found


def _of_maps(name: str, seed: Any, truth: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    plain = threshold_confusions(seed, truth, classes)
    found = {name: plain, f"{name}, best of each image": plain[_best_of_image(plain)]}
    # A class of the image that is confused with another one of the image: put right.
    right = plain.copy()
    objects = np.arange(1, classes + 1)
    right[:, objects, objects] += right[:, 1:, 1:].sum(axis=2) - right[:, objects, objects]
    right[:, 1:, 1:] *= np.eye(classes, dtype=right.dtype)
    found[f"{name}, tags by truth"] = right
    if name == "seeds" and len(seed.classes):
        label = seed.classes[seed.upsample().argmax(axis=0)]
        found["seeds, extent by truth"] = confusion_matrix(np.where(truth == 0, 0, label), truth, classes + 1)
    return found


def _best_of_image(confusions: np.ndarray) -> int:
    return int(np.argmax([mean_iou_of_present(one) for one in confusions]))


def mean_iou_of_present(confusion: np.ndarray) -> float:
    """The mean IoU of the labels that the truth of an image has."""
    present = confusion.sum(axis=1) > 0
    return float(np.nan_to_num(iou(confusion)[present]).mean()) if present.any() else 0.0


def true_edges(truth: np.ndarray) -> np.ndarray:
    """Borders of a label map (H, W), with its pixels to ignore, as edges (h, w) of 0 and 1 at stride 4."""
    cells = truth[::4, ::4]
    edges = cells == IGNORE
    for ours, theirs in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = (cells[ours] != cells[theirs]) & (cells[ours] != IGNORE) & (cells[theirs] != IGNORE)
        edges[ours] |= differ
    return edges


def walk_between(edges: np.ndarray, seed: Any, infer: Mapping[str, Any]) -> WalkScores:
    """Walk between edges (h, w); what lies on an edge takes the scores of the nearest cell beside it."""
    maps = walk_seed(seed, torch.from_numpy(edges.astype(np.float32))[None], infer)
    if not edges.all():
        rows, columns = distance_transform_edt(edges, return_distances=False, return_indices=True)
        maps = maps[:, rows, columns]
    return WalkScores(seed.classes, maps, seed.size)


def main() -> None:
    """Print one row per rung."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--work-dir", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--seeds", default="seeds")
    parser.add_argument("--masks", default="masks")
    parser.add_argument("--every", type=int, default=1, help="score every n-th image")
    options = parser.parse_args()
    work = options.work_dir or PROJECT_ROOT / "work" / options.dataset
    if not (work / options.seeds / MANIFEST).is_file():
        skip(f"no seeds in {work / options.seeds}: tools/run_stage.sh seeds {options.dataset}")
    roots = [] if options.data_root is None else [f"dataset.root={options.data_root.absolute()}"]
    config = load_config(STAGE, options.dataset, options=[*roots, "model.pretrained=None"])
    dataset = build_dataset(config.dataset)
    seeds = open_artifact(work / options.seeds)
    scored = scored_images(config, dataset, seeds.ids, split=seeds.split)
    if scored is None:
        skip(f"no ground truth for the images of {seeds.dir}")
    masks = open_artifact(work / options.masks) if (work / options.masks / WALK).is_dir() else None
    settings = None if masks is None else settings_of(masks)
    image_ids = scored.image_ids[:: options.every]
    tasks = [
        Task(
            seeds.file(one),
            dataset.truth_file(one),
            len(dataset.classes),
            None if masks is None else masks.dir / WALK / f"{one}.npz",
            settings,
        )
        for one in image_ids
    ]
    total: dict[str, np.ndarray] = {}
    for counts in map_images(count, tasks, "ladder", num_workers=0):
        total = {name: total.get(name, 0) + part for name, part in counts.items()} | {
            name: part for name, part in total.items() if name not in counts
        }
    print(f"{seeds.dir}, {len(image_ids)} images of {scored.split}")
    fixed = {"seeds": seeds.manifest["thresholds"].get("seed_fixed", {}).get("value", config.infer.threshold)}
    # None: each mask has its own.
    if settings is not None and settings["infer"]["background_score"] is not None:
        fixed["masks"] = settings["infer"]["background_score"]
    found = {}
    for name, confusion in total.items():
        if confusion.ndim == 2:
            found[name] = 100 * mean_iou(confusion)
            print(f"{name:28} {found[name]:6.2f}")
            continue
        scores = [100 * mean_iou(one) for one in confusion]
        best = int(np.argmax(scores))
        found[name] = scores[best]
        if name in fixed:
            in_use = scores[int(np.abs(THRESHOLDS - fixed[name]).argmin())]
            print(f"{name + ', in use':28} {in_use:6.2f} at {fixed[name]:.2f}")
        print(f"{name:28} {scores[best]:6.2f} at the best {THRESHOLDS[best]:.2f}")
    for name, value in found.items():
        if name != "seeds":
            print_ratio(f"mIoU, {name} / seeds (oracle threshold)", value / found["seeds"])


if __name__ == "__main__":
    main()
