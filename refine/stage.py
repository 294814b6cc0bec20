"""The stage ``refine``: seeds become masks along edges learned from the seeds' confident parts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from refine.infer import EDGE, WALK, read_walk, write_masks, write_walks
from refine.labels import confident_share, write_confident_labels
from refine.train import train_irnet
from wsss.artifacts import Artifact, read_mask, read_seed
from wsss.datasets import DataSet
from wsss.errors import ArtifactError
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds
from wsss.log import logger
from wsss.progress import track
from wsss.stage import Job, Result, Stage

CONFIDENT = "confident"


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a mask per seed, and what the masks were made from."""
    config, dataset, seeds = job.config, job.dataset, job.inputs["seeds"]
    image_ids, split = seeds.ids, seeds.split
    check_seeds(seeds, dataset)
    clock = _Clock(len(image_ids))
    confident = job.out_dir / CONFIDENT
    write_confident_labels(
        dataset,
        seeds,
        image_ids=image_ids,
        out_dir=confident,
        foreground_threshold=config.labels.foreground_threshold,
        background_threshold=config.labels.background_threshold,
        num_workers=config.labels.num_workers,
    )
    clock.stop("confident_label")
    share = measure_confident_share(confident, image_ids)
    warn_of_share(share, config)
    network = train_irnet(
        config,
        dataset,
        image_ids,
        seeds=seeds,
        read_label=lambda image_id: read_mask(confident / f"{image_id}.png"),
        out_dir=job.out_dir / "train",
    )
    clock.stop("training")
    write_walks(network, dataset, seeds, image_ids=image_ids, out_dir=job.out_dir, settings=config.infer)
    clock.stop("walk")
    write_masks(image_ids, out_dir=job.out_dir, background_score=config.infer.background_score)
    clock.stop("mask")
    figures, thresholds = _score(job, image_ids, split)
    return Result(
        split=split,
        image_ids=image_ids,
        figures=figures | {"confident_share": round(share, 4)},
        thresholds=_thresholds(config) | thresholds,
        extra={"seconds_per_image": clock.seconds, "initialisation": _initialisation(config)},
    )


def check_seeds(seeds: Artifact, dataset: DataSet) -> None:
    """Check that all seeds belong to this data set's images, and list every problem at once.

    Raises:
        ArtifactError: seeds of classes that are not among an image's tags, or of another size than the image.
    """
    problems = []
    for image_id in track(seeds.ids, "check seeds"):
        seed = read_seed(seeds.file(image_id))
        extra = sorted({int(label) for label in seed.classes} - set(dataset.tags(image_id)))
        if extra:
            problems.append(f"{image_id}: classes {extra} are not among its tags")
        with Image.open(dataset.image_path(image_id)) as image:
            size = (image.height, image.width)
        if seed.size != size:
            problems.append(f"{image_id}: size {seed.size}, its image has {size}")
    if problems:
        shown = "; ".join(problems[:5]) + ("; ..." if len(problems) > 5 else "")
        raise ArtifactError(
            f"expected seeds of this data set's images and tags in {seeds.dir}, got {len(problems)} that are "
            f"not ({shown}): make them anew, or correct --seeds"
        )


def measure_confident_share(confident: Path, image_ids: Sequence[str]) -> float:
    """Mean over the images of the share of pixels that their confident labels are sure of, in [0, 1]."""
    return float(np.mean([confident_share(read_mask(confident / f"{one}.png")) for one in image_ids]))


def warn_of_share(share: float, config: Config) -> None:
    """Warn where nearly no or nearly every pixel is confident, with the thresholds to try."""
    low, high = config.labels.background_threshold, config.labels.foreground_threshold
    if share < 0.01:
        advice = f"try labels.background_threshold={(low + high) / 2:.2f}"
    elif share > 0.99:
        wider = (1 + high) / 2
        advice = f"try labels.background_threshold={low / 2:.2f} or labels.foreground_threshold={wider:.2f}"
    else:
        return
    logger.warning(
        "expected 1 %% to 99 %% confident pixels, got %.1f %% with thresholds %.2f and %.2f: %s",
        100 * share,
        high,
        low,
        advice,
    )


def _score(job: Job, image_ids: Sequence[str], split: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of the masks and of the best background score; nothing where no ground truth is."""
    if not any(job.dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}, {}
    scores = evaluate_masks(
        lambda image_id: read_mask(job.out_dir / f"{image_id}.png"),
        job.dataset,
        image_ids,
        description="score masks",
    )
    best = oracle(
        sweep_seeds(
            lambda image_id: read_walk(job.out_dir / WALK / f"{image_id}.npz"),
            job.dataset,
            image_ids,
            description="sweep background scores",
        ),
        split,
    )
    figures = scores.figures() | {"mIoU_oracle_background_score": best["mIoU"]}
    # Not used for the masks; it says what the fixed one loses.
    return figures, {"oracle_background_score": f"{best['threshold']} ({best['threshold_chosen']})"}


def _thresholds(config: Config) -> dict[str, Any]:
    return {
        "confident_foreground": config.labels.foreground_threshold,
        "confident_background": config.labels.background_threshold,
        "confident_chosen": config.labels.chosen,
        "seed_power": config.infer.seed_power,
        "background_score": config.infer.background_score,
        "background_score_chosen": config.infer.chosen,
    }


def _initialisation(config: Config) -> str:
    if config.model.weights_from == "seeds":
        return "backbone trained by the stage seeds"
    return str(config.model.pretrained or "random weights")


class _Clock:
    """Wall-clock seconds per image of the parts of a run; parts done in an earlier run count as near 0."""

    def __init__(self, images: int) -> None:
        self.seconds: dict[str, float] = {}
        self._images = max(images, 1)
        self._last = time.monotonic()

    def stop(self, part: str) -> None:
        """Write down the time since the last part."""
        now = time.monotonic()
        self.seconds[part] = round((now - self._last) / self._images, 4)
        self._last = now


_SCORE = ("infer.background_score", "infer.chosen")
STAGE = Stage(
    name="refine",
    reads=("seeds",),
    writes="masks",
    schema=1,
    run=run,
    parts={CONFIDENT: ("seed", "model", "train", "infer"), "train": ("infer",), EDGE: _SCORE, WALK: _SCORE},
)
