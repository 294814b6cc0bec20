"""The stage ``seeds``: a method makes soft maps from tags; they are scored where ground truth is there."""

from seeds.methods import check_settings, find_method
from seeds.score import score_seeds
from wsss.distributed import is_main, wait
from wsss.stage import Job, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a seed per image, by the method that the config names."""
    check_settings(job.config)
    method = find_method(job.config.method)
    seeds = method.make(job)
    wait()
    # By the main process, when the others have written theirs.
    figures, thresholds = score_seeds(job, seeds) if is_main() else ({}, {})
    return Result(
        split=seeds.split,
        image_ids=seeds.image_ids,
        figures=figures | dict(seeds.figures),
        thresholds=thresholds,
        extra={"maps": method.map_kind(job.config), **seeds.extra},
    )


STAGE = Stage(
    name="seeds",
    reads=(),
    writes="seeds",
    schema=1,
    run=run,
    parts={"train": ("infer", "score_split", "dataset.score_split")},
)
