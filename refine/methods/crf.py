"""CRF: seeds, a threshold, a dense CRF. Nothing is trained; the yardstick for methods that train.

The kernels are those of IRN's confident labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refine.by_tags import seed_threshold
from refine.class_maps import read_class_maps
from refine.clock import Clock
from refine.labels import decide
from refine.methods import Decision, Made
from wsss.artifacts import Seed, write_mask
from wsss.config import Settings
from wsss.errors import ArtifactError, ConfigError
from wsss.images import ImageFile, read_image
from wsss.processes import map_images
from wsss.ranges import COUNT, NOT_NEGATIVE, POSITIVE, OneOf, Range
from wsss.stage import Job
from wsss.thresholds import IMAGE_SPECIFIC, TAGS, Threshold

DEFAULTS = {
    "infer": {
        # Of the seeds; a pixel is background where no map is above it. 0: none, for seeds whose method draws
        # the objects' borders itself. "tags": chosen without ground truth.
        "threshold": 0.3,
        "seed_power": 1.0,  # of the stride-4 maps; about the same as the threshold to the power of 1 / this
        "image_specific": False,  # each map's own threshold, which the seeds carry, in place of `threshold`
        "crf": True,  # False: the thresholded seeds as they are
        "iterations": 10,  # of the CRF
        "num_workers": 0,  # processes; 0: one per CPU core
    }
}
RANGES: dict[str, Range | OneOf] = {
    "infer.threshold": Range(0, 1, below=True, tags=True),
    "infer.seed_power": POSITIVE,
    "infer.iterations": COUNT,
    "infer.num_workers": NOT_NEGATIVE,
}
PARTS: dict[str, tuple[str, ...]] = {}


class Crf:
    """One threshold for the seeds, and a dense CRF that moves the outlines to the image's edges."""

    name: str = "crf"
    accepts_agnostic: bool = True
    defaults: Mapping[str, Any] = DEFAULTS
    ranges: Mapping[str, Range | OneOf] = RANGES
    parts: Mapping[str, tuple[str, ...]] = PARTS

    def thresholds(self, settings: Settings) -> Mapping[str, Threshold]:
        """That of the seeds."""
        is_own = settings.config.infer.image_specific
        seed = IMAGE_SPECIFIC if is_own else settings.threshold("infer.threshold")
        return {"seed": seed, "seed_power": settings.threshold("infer.seed_power")}

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse a seed power beside image-specific thresholds, and these where none is asked for."""
        infer = config["infer"]
        if infer["image_specific"] and infer["threshold"] == TAGS:
            raise ConfigError(
                f"expected a number for infer.threshold with infer.image_specific=True, got {TAGS!r}: it is "
                "where each map's own threshold comes to lie, set one of them"
            )
        if infer["image_specific"] and infer["threshold"] == 0:
            raise ConfigError(
                "expected infer.threshold above 0 with infer.image_specific=True, got 0: it is where each "
                "map's own threshold comes to lie, set one of them"
            )
        if infer["image_specific"] and infer["seed_power"] != 1:
            raise ConfigError(
                "expected infer.seed_power=1 with infer.image_specific=True, got "
                f"{infer['seed_power']}: a power moves no pixel over a map's own threshold, set one of them"
            )

    def write_masks(self, job: Job, image_ids: Sequence[str], clock: Clock) -> Made:
        """Write the mask of each image without one, on all CPU cores."""
        seeds, infer = job.inputs["seeds"], dict(job.config.infer)
        tags = job.dataset.tags
        chosen = {}
        if infer["threshold"] == TAGS:
            base = seed_threshold(seeds, job.dataset)
            infer["threshold"] = (base.value or 0) ** infer["seed_power"]
            chosen["seed"] = Threshold(infer["threshold"], base.chosen_by)
        tasks = [
            _Task(seeds.file(one), tags(one), job.dataset.image_file(one), job.out_dir / f"{one}.png", infer)
            for one in image_ids
            if not (job.out_dir / f"{one}.png").is_file()
        ]
        workers = infer["num_workers"]
        clock.stop("mask", sum(map_images(_write_mask, tasks, "write masks", num_workers=workers)))
        return Made(
            extra={"initialisation": "nothing is trained"},
            thresholds=chosen,
            decision=Decision("threshold", lambda one: read_as_set(seeds.file(one), infer, tags(one))),
        )


def read_as_set(path: Path, infer: Mapping[str, Any], tags: Sequence[int] = ()) -> Seed:
    """Read a seed the way the settings say: with each map's own threshold brought to one, or to a power.

    Args:
        path: of the seed.
        infer: ``threshold``, ``seed_power``, ``image_specific``.
        tags: of the image, for seeds whose only map is class-agnostic (`read_class_maps`).

    Returns:
        The seed whose pixels above ``threshold`` are foreground.

    Raises:
        ArtifactError: the file is absent or damaged, or has no thresholds although ``image_specific`` is on,
            or no borders although ``threshold`` is 0.
    """
    seed = read_class_maps(path, tags)
    if infer["threshold"] == 0 and seed.outside is None and len(seed.classes):
        raise ArtifactError(
            f"expected seeds whose method draws the objects' borders for infer.threshold=0, got others at "
            f"{path}: set a threshold, or make seeds such as those of bcam with infer.rule=difference"
        )
    if infer["image_specific"]:
        return seed.calibrated(infer["threshold"])
    return dataclasses.replace(seed, maps=(seed.maps ** infer["seed_power"]).astype(np.float32))


@dataclasses.dataclass(frozen=True)
class _Task:
    """One image's mask: where from, where to, and how."""

    seed: Path
    tags: Sequence[int]
    image: ImageFile
    out: Path
    infer: Mapping[str, Any]


def _write_mask(task: _Task) -> int:
    seed = read_as_set(task.seed, task.infer, task.tags)
    mask = decide(
        seed.upsample(),
        seed.classes,
        threshold=task.infer["threshold"],
        image=read_image(task.image) if task.infer["crf"] else None,
        iterations=task.infer["iterations"],
    )
    write_mask(task.out, mask)
    return 1


METHOD = Crf()
