"""The stage ``refine``: seeds become masks along edges learned from the seeds' confident parts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_world_size
from numpy.typing import NDArray

from refine.guard import check_seeds, measure_shares, sample, warn_of_shares
from refine.infer import EDGE, WALK, read_walk, write_edges, write_masks, write_walks
from refine.labels import UNSURE, write_confident_labels
from refine.model import IRNet
from refine.train import NETWORK, load_irnet, train_irnet
from wsss.artifacts import read_mask
from wsss.distributed import is_main, shard, wait
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds
from wsss.stage import Job, Result, Stage

CONFIDENT = "confident"
_SAMPLE = 32  # images whose confident labels are looked at before the others are made


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a mask per seed, and what the masks were made from."""
    config, dataset, seeds = job.config, job.dataset, job.inputs["seeds"]
    image_ids, split = seeds.ids, seeds.split
    check_seeds(seeds, dataset)
    own = shard(image_ids)
    clock = _Clock()
    given = config.model.irnet.pretrained
    if given is None:
        _write_confident_labels(job, own, clock)
        wait()
    network = _network(job, clock)
    made = write_edges(network, dataset, image_ids=own, out_dir=job.out_dir / EDGE)
    clock.stop("edge", made)
    made = write_walks(seeds, image_ids=own, out_dir=job.out_dir, config=config)
    clock.stop("walk", made)
    made = write_masks(dataset, image_ids=own, out_dir=job.out_dir, config=config)
    clock.stop("mask", made)
    wait()
    figures, thresholds = _score(job, image_ids, split) if is_main() else ({}, {})
    if given is None and is_main():
        shares = measure_shares(job.out_dir / CONFIDENT, image_ids)
        figures["confident_share"] = round(shares.confident, 4)
    return Result(
        split=split,
        image_ids=image_ids,
        figures=figures,
        thresholds=_thresholds(config) | thresholds,
        extra={
            "seconds_per_image": clock.seconds,
            "processes": get_world_size(),
            "initialisation": _initialisation(config),
        },
    )


def _write_confident_labels(job: Job, own: Sequence[str], clock: _Clock) -> None:
    """Those of a sample first: thresholds that cannot work are named before hours are spent on them."""
    seeds, settings, out_dir = job.inputs["seeds"], job.config.labels, job.out_dir / CONFIDENT
    first = sample(own, _SAMPLE)
    made = write_confident_labels(job.dataset, seeds, image_ids=first, out_dir=out_dir, settings=settings)
    if is_main() and first:
        warn_of_shares(measure_shares(out_dir, first), seeds, first, settings)
    made += write_confident_labels(job.dataset, seeds, image_ids=own, out_dir=out_dir, settings=settings)
    clock.stop("confident_label", made)


def _network(job: Job, clock: _Clock) -> IRNet:
    """The IRNet that the config gives, or one trained on the confident labels."""
    config, seeds, out_dir = job.config, job.inputs["seeds"], job.out_dir
    if config.model.irnet.pretrained is not None:
        return load_irnet(config, seeds)
    trained = (out_dir / "train" / NETWORK).is_file()
    network = train_irnet(
        config,
        job.dataset,
        seeds.ids,
        seeds=seeds,
        read_label=lambda image_id: read_mask(out_dir / CONFIDENT / f"{image_id}.png"),
        out_dir=out_dir / "train",
    )
    clock.stop("training", 0 if trained else len(seeds.ids))
    return network


def _score(job: Job, image_ids: Sequence[str], split: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of the masks and of the best background score; nothing where no ground truth is."""
    if not any(job.dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}, {}
    unsure = []

    def read(image_id: str) -> NDArray[np.uint8]:
        mask = read_mask(job.out_dir / f"{image_id}.png")
        unsure.append(float((mask == UNSURE).mean()))
        return mask

    scores = evaluate_masks(read, job.dataset, image_ids, description="score masks")
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
    if any(unsure):
        # The mIoU counts them as background.
        figures["unsure_share"] = round(float(np.mean(unsure)), 4)
    # Not used for the masks; it says what the fixed one loses.
    return figures, {"oracle_background_score": f"{best['threshold']} ({best['threshold_chosen']})"}


def _thresholds(config: Config) -> dict[str, Any]:
    return {
        "confident_foreground": config.labels.foreground_threshold,
        "confident_background": config.labels.background_threshold,
        "confident_chosen": config.labels.chosen,
        "image_specific": config.labels.image_specific,
        "seed_power": config.infer.seed_power,
        "background_score": config.infer.background_score,
        "background_score_chosen": config.infer.chosen,
        "crf": config.infer.crf,
    }


def _initialisation(config: Config) -> str:
    if config.model.irnet.pretrained is not None:
        return f"IRNet from {config.model.irnet.pretrained}, not trained here"
    if config.model.weights_from == "seeds":
        return "backbone trained by the stage seeds"
    return str(config.model.pretrained or "random weights")


class _Clock:
    """Wall-clock seconds per image that a part of the run made; None for a part that made none.

    Where several processes share the images they are those of the first process and its own images.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float | None] = {}
        self._last = time.monotonic()

    def stop(self, part: str, images: int) -> None:
        """Write down the time since the last part."""
        now = time.monotonic()
        self.seconds[part] = round((now - self._last) / images, 4) if images else None
        self._last = now


_WORDS = ("labels.chosen", "infer.chosen")
_DECISION = ("infer.background_score", "infer.unsure_margin", "infer.crf")
STAGE = Stage(
    name="refine",
    reads=("seeds",),
    writes="masks",
    schema=1,
    run=run,
    parts={
        CONFIDENT: ("seed", "model", "train", "infer", *_WORDS),
        "train": ("infer", *_WORDS),
        EDGE: ("infer", *_WORDS),
        WALK: (*_DECISION, *_WORDS),
    },
)
