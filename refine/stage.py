"""The stage ``refine``: seeds become masks, by the method that the config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dist import get_world_size

from refine.clock import Clock
from refine.guard import check_seeds
from refine.methods import RefineMethod, check_settings
from refine.methods.irn import METHOD as IRN
from refine.score import score_masks
from wsss.config import flatten
from wsss.distributed import is_main, shard, wait
from wsss.stage import Job, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a mask per seed, and what the masks were made from."""
    method = check_settings(job.config)
    seeds = job.inputs["seeds"]
    check_seeds(seeds, job.dataset, accepts_agnostic=method.accepts_agnostic)
    clock = Clock()
    made = method.write_masks(job, shard(seeds.ids), clock)
    wait()
    scores, best = (
        score_masks(job, seeds.ids, split=seeds.split, decision=made.decision) if is_main() else ({}, {})
    )
    return Result(
        split=seeds.split,
        image_ids=seeds.ids,
        figures=scores | dict(made.figures),
        thresholds=_thresholds(method, job.config) | best,
        extra={"seconds_per_image": clock.seconds, "processes": get_world_size(), **made.extra},
    )


def _thresholds(method: RefineMethod, config: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(flatten(config))
    return {entry: settings[name] for entry, name in method.thresholds.items()}


STAGE = Stage(name="refine", reads=("seeds",), writes="masks", schema=1, run=run, parts=IRN.parts)
