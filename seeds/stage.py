"""The stage ``seeds``: trains on tags, publishes soft maps, scores them where ground truth is there."""

from typing import Any

from seeds.infer import write_seeds
from seeds.train import train_seeds
from wsss.artifacts import read_seed
from wsss.distributed import is_main, wait
from wsss.evaluate import oracle, sweep_seeds
from wsss.images import check_images
from wsss.stage import Job, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a seed per training image."""
    config, dataset = job.config, job.dataset
    split = config.dataset.train_split
    dataset.check(split)
    image_ids = dataset.ids(split)
    if is_main():
        check_images({image_id: dataset.image_path(image_id) for image_id in image_ids})
    wait()
    network, figures = train_seeds(config, dataset, image_ids, out_dir=job.out_dir / "train")
    write_seeds(
        network,
        dataset,
        image_ids,
        out_dir=job.out_dir,
        scales=config.infer.scales,
        flip=config.infer.flip,
        fuse=config.infer.fuse,
    )
    thresholds: dict[str, Any] = {}
    wait()  # for the seeds that the other processes write
    if is_main() and any(dataset.mask_path(image_id) is not None for image_id in image_ids):
        scores = oracle(
            sweep_seeds(lambda image_id: read_seed(job.out_dir / f"{image_id}.npz"), dataset, image_ids),
            split,
        )
        thresholds = {"seed": scores.pop("threshold"), "seed_chosen": scores.pop("threshold_chosen")}
        figures = scores | figures
    return Result(
        split=split,
        image_ids=image_ids,
        figures=figures,
        thresholds=thresholds,
        extra={"initialisation": str(config.model.pretrained or "random weights")},
    )


STAGE = Stage(name="seeds", reads=(), writes="seeds", schema=1, run=run, parts={"train": ("infer",)})
