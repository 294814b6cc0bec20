"""Figures of masks: their own, and those at the best threshold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refine.methods import Decision
from wsss.artifacts import IGNORE, read_mask
from wsss.evaluate import Scores, evaluate_masks, oracle, sweep_seeds
from wsss.scored import named_all, scored_images
from wsss.stage import Job
from wsss.thresholds import Threshold


def score_masks(
    job: Job, image_ids: Sequence[str], *, split: str, decision: Decision | None
) -> tuple[dict[str, Any], dict[str, Threshold]]:
    """Score the masks in ``job.out_dir``, whatever method made them.

    Args:
        job: the config, the data set and the folder.
        image_ids: images with a mask.
        split: the split that they are.
        decision: a threshold to compare with its best value, before any CRF; None for none.

    Returns:
        Figures of the split to score, those of all images as ``NAME_all`` where they are more, and the best
        thresholds; both are empty where no image has ground truth.

    Raises:
        DataError: the list of the split to score is absent or faulty.
    """
    scored = scored_images(job.config, job.dataset, image_ids, split=split)
    if scored is None:
        return {}, {}
    own = _score(job, scored.image_ids, decision)
    figures, thresholds = own.figures(decision, scored.split)
    if scored.others:
        whole, best = (own + _score(job, scored.others, decision)).figures(decision, split)
        figures |= named_all(whole)
        thresholds |= named_all(best)
    return figures, thresholds


@dataclasses.dataclass(frozen=True)
class _Scored:
    """Scores of the masks of some images and of their soft maps, and how many pixels are unsure.

    Attributes:
        masks: of the masks.
        sweep: of the soft maps at every threshold; empty without a decision to compare.
        unsure: share of the pixels, image by image.
    """

    masks: Scores
    sweep: tuple[Scores, ...]
    unsure: tuple[float, ...]

    def __add__(self, other: _Scored) -> _Scored:
        return _Scored(
            self.masks + other.masks,
            tuple(one + more for one, more in zip(self.sweep, other.sweep, strict=True)),
            self.unsure + other.unsure,
        )

    def figures(self, decision: Decision | None, split: str) -> tuple[dict[str, Any], dict[str, Threshold]]:
        """What is published of them, and the best threshold."""
        figures: dict[str, Any] = self.masks.figures()
        thresholds = {}
        if decision is not None:
            # The masks were made without it: ground truth chose it.
            best, thresholds[f"oracle_{decision.name}"] = oracle(self.sweep, split)
            figures[f"mIoU_oracle_{decision.name}"] = best["mIoU"]
        if any(self.unsure):
            # The mIoU counts them as background.
            figures["unsure_share"] = round(float(np.mean(self.unsure)), 4)
        return figures, thresholds


def _score(job: Job, image_ids: Sequence[str], decision: Decision | None) -> _Scored:
    unsure = []

    def read(image_id: str) -> NDArray[np.uint8]:
        mask = read_mask(job.out_dir / f"{image_id}.png")
        unsure.append(float((mask == IGNORE).mean()))
        return mask

    masks = evaluate_masks(read, job.dataset, image_ids, description="score masks")
    sweep: Sequence[Scores] = ()
    if decision is not None:
        what = f"sweep {decision.name.replace('_', ' ')}s"
        sweep = sweep_seeds(decision.read, job.dataset, image_ids, description=what)
    return _Scored(masks, tuple(sweep), tuple(unsure))
