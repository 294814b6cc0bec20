"""Figures of masks: their own, and those at the best threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refine.methods import Decision
from wsss.artifacts import IGNORE, read_mask
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds
from wsss.stage import Job
from wsss.thresholds import Threshold


def score_masks(
    job: Job, image_ids: Sequence[str], *, split: str, decision: Decision | None
) -> tuple[dict[str, Any], dict[str, Threshold]]:
    """Score the masks in ``job.out_dir``, whatever method made them.

    Args:
        job: the data set and the folder.
        image_ids: images with a mask.
        split: the split that they are.
        decision: a threshold to compare with its best value, before any CRF; None for none.

    Returns:
        Figures, and the best threshold; both are empty where no image has ground truth.
    """
    if not any(job.dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}, {}
    unsure = []

    def read(image_id: str) -> NDArray[np.uint8]:
        mask = read_mask(job.out_dir / f"{image_id}.png")
        unsure.append(float((mask == IGNORE).mean()))
        return mask

    figures = evaluate_masks(read, job.dataset, image_ids, description="score masks").figures()
    thresholds = {}
    if decision is not None:
        name = decision.name
        what = f"sweep {name.replace('_', ' ')}s"
        sweep = sweep_seeds(decision.read, job.dataset, image_ids, description=what)
        # The masks were made without it: ground truth chose it.
        best, thresholds[f"oracle_{name}"] = oracle(sweep, split)
        figures[f"mIoU_oracle_{name}"] = best["mIoU"]
    if any(unsure):
        # The mIoU counts them as background.
        figures["unsure_share"] = round(float(np.mean(unsure)), 4)
    return figures, thresholds
