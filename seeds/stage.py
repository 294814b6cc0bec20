"""The stage ``seeds``: a method makes soft maps from tags; they are scored where ground truth is there."""

from collections.abc import Sequence
from typing import Any

from seeds.methods import check_settings, find_method
from wsss.artifacts import read_seed
from wsss.distributed import is_main, wait
from wsss.evaluate import at_threshold, oracle, score_image_specific, sweep_seeds
from wsss.stage import Job, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a seed per image, by the method that the config names."""
    check_settings(job.config)
    method = find_method(job.config.method)
    seeds = method.make(job)
    image_specific = job.config.infer.get("image_specific", False)
    scores, thresholds = _score(job, seeds.image_ids, seeds.split, image_specific=image_specific)
    return Result(
        split=seeds.split,
        image_ids=seeds.image_ids,
        figures=scores | dict(seeds.figures),
        thresholds=thresholds,
        extra={"maps": method.map_kind(job.config), **seeds.extra},
    )


def _score(
    job: Job, image_ids: Sequence[str], split: str, *, image_specific: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures at the oracle threshold, and beside it those that need no ground truth to choose one.

    The main process makes them, when the others have written their seeds.
    """
    wait()
    if not is_main() or not any(job.dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}, {}
    fixed = job.config.infer.threshold
    sweep = sweep_seeds(lambda one: read_seed(job.out_dir / f"{one}.npz"), job.dataset, image_ids)
    figures = oracle(sweep, split)
    thresholds = {
        "seed": figures.pop("threshold"),
        "seed_chosen": figures.pop("threshold_chosen"),
        "seed_fixed": f"{fixed} (fixed in the preset)",
    }
    figures["mIoU_fixed_threshold"] = at_threshold(sweep, fixed).figures()["mIoU"]
    if image_specific:
        own = score_image_specific(lambda one: job.out_dir / f"{one}.npz", job.dataset, image_ids)
        figures["mIoU_image_specific"] = own.figures()["mIoU"]
        thresholds["seed_image_specific"] = "L_bas + area of each map, without ground truth"
    return figures, thresholds


STAGE = Stage(name="seeds", reads=(), writes="seeds", schema=1, run=run, parts={"train": ("infer",)})
