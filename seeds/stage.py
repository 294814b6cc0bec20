"""The stage ``seeds``: trains on tags, publishes soft maps, scores them where ground truth is there."""

from collections.abc import Sequence
from typing import Any

from seeds.fuse import write_combined
from seeds.infer import write_seeds
from seeds.train import train_seeds
from wsss.artifacts import read_seed
from wsss.distributed import is_main, wait
from wsss.errors import ConfigError
from wsss.evaluate import at_threshold, oracle, score_image_specific, sweep_seeds
from wsss.images import check_images
from wsss.stage import Job, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a seed per training image."""
    if job.config.method == "combine":
        return _combine(job)
    config, dataset = job.config, job.dataset
    split = config.dataset.train_split
    dataset.check(split)
    image_ids = dataset.ids(split)
    if is_main():
        check_images({image_id: dataset.image_path(image_id) for image_id in image_ids})
    wait()
    network, figures = train_seeds(config, dataset, image_ids, out_dir=job.out_dir / "train")
    write_seeds(network, dataset, image_ids, out_dir=job.out_dir, settings=config.infer)
    scores, thresholds = _score(job, image_ids, split, image_specific=config.infer.image_specific)
    return Result(
        split=split,
        image_ids=image_ids,
        figures=scores | figures,
        thresholds=thresholds,
        extra={"initialisation": str(config.model.pretrained or "random weights")},
    )


def _combine(job: Job) -> Result:
    """Combine the published seeds that the config's ``reads`` names."""
    artifacts = list(job.inputs.values())
    if len(artifacts) < 2:
        raise ConfigError(
            f"expected two or more seeds to combine, got {tuple(job.inputs)}: name them in 'reads', such as "
            "('seeds', 'seeds-cam')"
        )
    write_combined(artifacts, out_dir=job.out_dir)
    image_ids, split = artifacts[0].ids, artifacts[0].split
    figures, thresholds = _score(job, image_ids, split, image_specific=False)
    return Result(split=split, image_ids=image_ids, figures=figures, thresholds=thresholds)


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
