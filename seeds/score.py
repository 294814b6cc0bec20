"""Figures of seeds, and beside them of the plain class activation maps of the network that made them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from seeds.contract import Seeds
from seeds.infer import OWN_CAM
from wsss.artifacts import Seed, read_seed
from wsss.evaluate import Scores, at_threshold, oracle, sweep_seeds
from wsss.scored import named_all, scored_images
from wsss.stage import Job
from wsss.thresholds import IMAGE_SPECIFIC, Threshold

Reader: TypeAlias = Callable[[str], Seed]
# Any value gives the same labels: all calibrated maps grow by one power.
_MIDDLE = 0.5


def score_seeds(job: Job, seeds: Seeds) -> tuple[dict[str, Any], dict[str, Threshold]]:
    """Score the seeds in ``job.out_dir`` at their best threshold, and without ground truth's help.

    Args:
        job: config, data set and folder.
        seeds: what a method made there.

    Returns:
        Figures, and the thresholds with who chose them; both are empty where no image has ground truth.

    Raises:
        DataError: the list of the split to score is absent or faulty.
    """
    scored = scored_images(job.config, job.dataset, seeds.image_ids, split=seeds.split)
    if scored is None:
        return {}, {}
    in_use = {"seed_fixed": job.settings.threshold("infer.threshold"), **seeds.thresholds}
    fixed, readers = in_use["seed_fixed"].value, _readers(job)
    sweeps = _sweep(readers, job, scored.image_ids)
    figures, thresholds = _figures(sweeps, scored.split, fixed)
    thresholds |= in_use
    if "image-specific" in readers:
        thresholds["seed_image_specific"] = IMAGE_SPECIFIC
    if scored.others:
        rest = _sweep(readers, job, scored.others)
        whole, best = _figures(
            {name: _together(sweeps[name], rest[name]) for name in rest}, seeds.split, fixed
        )
        figures |= named_all(whole)
        thresholds |= named_all(best)
    if seeds.has_own_cam:
        own, best = _figures(
            _sweep({"seeds": _reader(job.out_dir / OWN_CAM)}, job, scored.image_ids),
            scored.split,
            in_use.get("own_cam_fixed", in_use["seed_fixed"]).value,
        )
        figures["mIoU_own_cam"] = own["mIoU"]
        figures["mIoU_own_cam_fixed_threshold"] = own["mIoU_fixed_threshold"]
        thresholds["own_cam"] = best["seed"]
    return figures, thresholds


def _readers(job: Job) -> dict[str, Reader]:
    """What is scored: the seeds as they are, and with the thresholds of each map where they have them."""
    plain = _reader(job.out_dir)
    if not job.config.infer.get("image_specific"):
        return {"seeds": plain}
    return {"seeds": plain, "image-specific": lambda one: plain(one).calibrated(_MIDDLE)}


def _reader(folder: Path) -> Reader:
    return lambda image_id: read_seed(folder / f"{image_id}.npz")


def _sweep(readers: Mapping[str, Reader], job: Job, image_ids: Sequence[str]) -> dict[str, list[Scores]]:
    return {name: sweep_seeds(read, job.dataset, image_ids) for name, read in readers.items()}


def _figures(
    sweeps: Mapping[str, Sequence[Scores]], split: str, fixed: float | None
) -> tuple[dict[str, Any], dict[str, Threshold]]:
    """Figures at the oracle's threshold, the mIoU at the others, and the oracle's threshold."""
    figures, best = oracle(sweeps["seeds"], split)
    if fixed is not None:
        figures["mIoU_fixed_threshold"] = at_threshold(sweeps["seeds"], fixed).figures()["mIoU"]
    if "image-specific" in sweeps:
        own = at_threshold(sweeps["image-specific"], _MIDDLE)
        figures["mIoU_image_specific"] = own.figures()["mIoU"]
    return figures, {"seed": best}


def _together(first: Sequence[Scores], second: Sequence[Scores]) -> list[Scores]:
    """The sweep of two sets of images together."""
    return [one + other for one, other in zip(first, second, strict=True)]
