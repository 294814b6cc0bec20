"""The stage ``refine``: seeds become masks, by the method that the config names."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config

from refine.clock import Clock
from refine.guard import check_seeds, warn_of_rims
from refine.methods import check_settings, find_method, method_defaults, method_of_key
from refine.score import score_masks
from wsss.artifacts import IGNORE
from wsss.distributed import is_main, shard, wait
from wsss.errors import ConfigError
from wsss.scored import SCORING, splits_to_read
from wsss.speed import SPEEDS, STEP_OVERHEAD, training_pixels
from wsss.stage import Job, Preview, Result, Stage


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a mask per seed, and what the masks were made from."""
    method = check_settings(job.config)
    seeds = job.inputs["seeds"]
    check_seeds(seeds, job.dataset, accepts_agnostic=method.accepts_agnostic)
    if is_main():
        warn_of_rims(seeds, job.dataset)
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
        thresholds={**method.thresholds(job.settings), **made.thresholds, **best},
        extra={"seconds_per_image": clock.seconds, **made.extra},
    )


def check(preview: Preview) -> None:
    """Refuse settings and inputs that cannot work, before anything is made.

    Raises:
        ConfigError: a setting is out of range or contradicts another, or weights do not fit.
        ArtifactError: the seeds hold no backbone to start from.
    """
    config, seeds = preview.config, preview.inputs["seeds"]
    check_settings(config)
    if len(preview.dataset.classes) >= IGNORE:
        raise ConfigError(
            f"expected at most {IGNORE - 1} classes, got {len(preview.dataset.classes)} of "
            f"{preview.dataset.name}: masks hold labels in 8 bits, wsss evaluate boxes scores such seeds"
        )
    if config.get("model", {}).get("pretrained") != "seeds":
        return
    theirs, ours = seeds.settings.get("model.backbone"), config.model.backbone
    if theirs != ours:
        raise ConfigError(
            f"expected seeds on {ours!r} for model.pretrained='seeds', got {theirs!r} in {seeds.dir}: set "
            "model.backbone, or another model.pretrained"
        )
    if seeds.artifact is not None:
        seeds.artifact.backbone()


def parts(config: Config) -> dict[str, tuple[str, ...]]:
    """Those of the method; what is scored, and how, is for figures alone."""
    return {part: (*free, *SCORING) for part, free in find_method(config.method).parts.items()}


# Core-seconds per million pixels of CRFs and walk, measured on voc_mini (.62 s per image on two cores).
_LABELS_AND_WALK = 5.5


def seconds(config: Config, images: Sequence[int], pixels: float) -> float | None:
    """Rough core-seconds of the training, where the method has one, and of labels and walks."""
    own = _LABELS_AND_WALK * images[0] * pixels
    if "train" not in config:
        return own
    speed = SPEEDS.get(config.model.backbone)
    if speed is None:
        return None
    trained = training_pixels(images[0], config.train.epochs, config.train.crop)
    return own + STEP_OVERHEAD * speed.train * trained + 2 * speed.forward * images[0] * pixels


STAGE = Stage(
    name="refine",
    writes="masks",
    schema=2,
    run=run,
    reads=lambda config: ("seeds",),
    splits=splits_to_read,
    defaults=method_defaults,
    owners=method_of_key,
    check=check,
    parts=parts,
    neutral=frozenset({"infer.num_workers", "labels.num_workers", "train.compile", "train.num_workers"}),
    seconds=seconds,
    bytes_per_image=80_000,
    bytes_of_training=400_000_000,
)
