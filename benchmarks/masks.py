"""What the parts of the stage refine add: seeds, walk, CRF, and a walk without learned edges.

``python benchmarks/masks.py [work/demo/masks demo] [--seeds DIR] [--every N] [--power P] [--beta B]
[--steps N] [--score S]``. Reads published masks' edges and the seeds they came from, walks again with the
masks' own settings or the given ones, and prints mIoU on the split's ground truth:

- seeds: at the oracle threshold, and after a dense CRF there
- walk along the learned edges: at the background score in use, and at the oracle score
- the same, then a dense CRF: at the score in use
- walk with all edges replaced by one constant: at the oracle score, for several constants
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratios import print_ratio, skip
from refine.infer import EDGE, WalkScores, mask_of_scores, read_edge, walk_seed
from refine.labels import decide, read_seed_as_set
from refine.sweep import settings_of
from wsss.artifacts import MANIFEST, Artifact, grid_of, open_artifact, read_seed
from wsss.config import load_dataset_settings
from wsss.datasets import build_dataset
from wsss.datasets.base import LabelFile
from wsss.evaluate import THRESHOLDS, oracle, sweep_seeds, threshold_confusions
from wsss.images import ImageFile, read_image
from wsss.metrics import confusion_matrix, mean_iou
from wsss.paths import PROJECT_ROOT
from wsss.processes import map_images

CONSTANTS = (0.2, 0.4, 0.6, 0.8)


@dataclasses.dataclass(frozen=True)
class Task:
    """One image to score."""

    image: ImageFile
    seed: Path
    edge: Path
    truth: LabelFile
    settings: Mapping[str, Any]
    seed_threshold: float
    classes: int


def count(task: Task) -> dict[str, np.ndarray]:
    """Confusion matrices of one image: at all thresholds for the walks, one for what passes a CRF."""
    labels, infer = task.settings["labels"], task.settings["infer"]
    truth, image = task.truth.read(), read_image(task.image)
    plain, seed = read_seed(task.seed), read_seed_as_set(task.seed, labels)
    edge = read_edge(task.edge, grid_of(seed.size))
    counts = {"seeds": threshold_confusions(plain, truth, task.classes)}
    sharp = decide(plain.upsample(), plain.classes, threshold=task.seed_threshold, image=image)
    counts["seeds, CRF"] = confusion_matrix(sharp, truth, task.classes)
    walked = {"walk": edge} | {f"constant {one}": torch.full_like(edge, one) for one in CONSTANTS}
    for name, one in walked.items():
        scores = WalkScores(seed.classes, walk_seed(seed, one, infer), seed.size)
        counts[name] = threshold_confusions(scores, truth, task.classes)
        if name == "walk":
            mask = mask_of_scores(scores, background_score=infer["background_score"], image=image)
            counts["walk, CRF"] = confusion_matrix(mask, truth, task.classes)
    return counts


def settings_with(masks: Artifact, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The masks' own settings, and what the command line has in their place."""
    settings = settings_of(masks)
    for key in ("seed_power", "beta", "background_score", "steps"):
        if options[key] is not None:
            settings["infer"][key] = options[key]
    if settings["infer"]["background_score"] is None:
        skip(f"each mask in {masks.dir} has its own background score: give one for all with --score")
    return settings


def main() -> None:
    """Print one row per part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path, nargs="?", default=PROJECT_ROOT / "work" / "demo" / "masks")
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--seeds", type=Path)
    parser.add_argument("--every", type=int, default=1, help="score every n-th image")
    for name, key in (("power", "seed_power"), ("beta", "beta"), ("score", "background_score")):
        parser.add_argument(f"--{name}", type=float, dest=key)
    parser.add_argument("--steps", type=int)
    options = vars(parser.parse_args())
    if not (options["masks"] / MANIFEST).is_file():
        skip(f"no masks in {options['masks']}: tools/run_stage.sh all {options['dataset']}")
    masks, seeds = (
        open_artifact(options["masks"]),
        open_artifact(options["seeds"] or options["masks"].parent / "seeds"),
    )
    settings = settings_with(masks, options)
    dataset = build_dataset(load_dataset_settings(options["dataset"]))
    image_ids = [one for one in masks.ids if dataset.mask_path(one) is not None][:: options["every"]]
    sweep = sweep_seeds(lambda one: read_seed(seeds.file(one)), dataset, image_ids)
    best = oracle(sweep, masks.split)[1]
    tasks = [
        Task(
            dataset.image_file(one),
            seeds.file(one),
            masks.dir / EDGE / f"{one}.png",
            dataset.truth_file(one),
            settings,
            best.value,
            len(dataset.classes),
        )
        for one in image_ids
    ]
    total: dict[str, np.ndarray] = {}
    for counts in map_images(count, tasks, "walk", num_workers=0):
        total = {name: total.get(name, 0) + part for name, part in counts.items()}
    infer = settings["infer"]
    print(
        f"{masks.dir}, {len(image_ids)} images of {masks.split}, power {infer['seed_power']}, "
        f"beta {infer['beta']}, {infer['steps']} steps, score {infer['background_score']}"
    )
    used = int(np.abs(THRESHOLDS - infer["background_score"]).argmin())
    found = {}
    for name, confusion in total.items():
        if confusion.ndim == 2:
            found[name] = 100 * mean_iou(confusion)
            print(f"{name:14} {found[name]:6.2f}")
            continue
        scores = [100 * mean_iou(one) for one in confusion]
        highest = int(np.argmax(scores))
        found[name] = scores[highest]
        fixed = f", at the score in use {scores[used]:6.2f}" if name == "walk" else ""
        print(f"{name:14} {scores[highest]:6.2f} at the oracle threshold {THRESHOLDS[highest]:.2f}{fixed}")
    best_constant = max(found[f"constant {one}"] for one in CONSTANTS)
    for name, value in {**found, "best constant as edges": best_constant}.items():
        if name != "seeds" and not name.startswith("constant"):
            # Only what passes a CRF after the walk is made at one score.
            how = "the score in use" if name == "walk, CRF" else "oracle threshold"
            print_ratio(f"mIoU, {name} ({how}) / seeds (oracle threshold)", value / found["seeds"])


if __name__ == "__main__":
    main()
