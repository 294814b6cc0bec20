"""The stage ``seeds``: a method makes soft maps from tags; they are scored where ground truth is there."""

from collections.abc import Sequence

from mmengine.config import Config

from seeds.methods import check_settings, find_method, method_defaults, method_of_key
from seeds.methods.trained import TrainedMethod, split_to_write
from seeds.score import score_seeds
from wsss.artifacts import IGNORE
from wsss.backbones import missing_download
from wsss.datasets import DataSet
from wsss.datasets.base import name_some
from wsss.distributed import is_main, wait
from wsss.errors import DataError
from wsss.images import check_images
from wsss.scored import SCORING, splits_to_read
from wsss.speed import SPEEDS, STEP_OVERHEAD, multi_scale_pixels, training_pixels
from wsss.stage import Job, Preview, Result, Stage


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
        thresholds={**seeds.thresholds, **thresholds},
        extra={"maps": method.map_kind(job.config), **seeds.extra},
    )


def check(preview: Preview) -> None:
    """Refuse what cannot work, before anything is made.

    Raises:
        ConfigError: a setting is out of range or contradicts another, or weights do not fit.
        DataError: images or tags are missing or broken.
    """
    config, dataset = preview.config, preview.dataset
    check_settings(config)
    if reads(config):
        return
    own = tuple(dict.fromkeys((config.dataset.train_split, split_to_write(config))))
    for split in own:
        dataset.check(split)
    method = find_method(config.method)
    if isinstance(method, TrainedMethod):
        training_ids = dataset.ids(config.dataset.train_split)
        if config.model.get("weights") is None:
            _refuse_one_tag(dataset, training_ids, config.dataset.train_split)
        _refuse_many_classes(dataset, dataset.ids(split_to_write(config)))
        method.check_inputs(config, dataset, training_ids)
    check_images({one: dataset.image_file(one) for split in own for one in dataset.ids(split)})


def _refuse_one_tag(dataset: DataSet, image_ids: Sequence[str], split: str) -> None:
    """Refuse images that all have the same tags: nothing tells what is tagged from what is around it.

    Raises:
        DataError: they have.
    """
    tags = {dataset.tags(one) for one in image_ids}
    if len(tags) == 1:
        names = ", ".join(dataset.classes[label - 1] for label in next(iter(tags)))
        raise DataError(
            f"expected images with different tags in split {split} of {dataset.name}, got {names} for all "
            f"{len(image_ids)}: a class is learnt from images without it, add some that are tagged otherwise"
        )


def _refuse_many_classes(dataset: DataSet, image_ids: Sequence[str]) -> None:
    """Refuse images with several tags where labels of 8 bits cannot tell the classes apart.

    Raises:
        DataError: there are such.
    """
    several = [one for one in image_ids if len(dataset.tags(one)) > 1]
    if len(dataset.classes) >= IGNORE and several:
        raise DataError(
            f"expected at most {IGNORE - 1} classes, or one tag for each image of {dataset.name}, got "
            f"{len(dataset.classes)} and several tags for {name_some(several)}: seeds hold labels in 8 bits, "
            "leave them out"
        )


def downloads(config: Config) -> tuple[str, ...]:
    """Weights that would have to be downloaded."""
    method = find_method(config.method)
    if reads(config) or not isinstance(method, TrainedMethod):
        return ()
    found = (missing_download(name, pretrained) for name, pretrained in method.weights(config))
    return tuple(one for one in found if one is not None)


def reads(config: Config) -> tuple[str, ...]:
    """Published seeds that the method puts together; mostly none."""
    return tuple(config.get("reads", ()))


def splits(config: Config) -> tuple[str, ...]:
    """The training split first, what is scored, and what seeds are written of."""
    return tuple(dict.fromkeys((*splits_to_read(config), split_to_write(config))))


def parts(config: Config) -> dict[str, tuple[str, ...]]:
    """The training does not depend on inference, nor on images of another split that seeds are written of."""
    other = split_to_write(config)
    free = () if other == config.dataset.train_split else (f"data {other}",)
    return {"train": ("infer", *SCORING, *free)}


def seconds(config: Config, images: Sequence[int], pixels: float) -> float | None:
    """Rough core-seconds of the trainings and of inference; None for backbones that were not measured."""
    method, speed = find_method(config.method), SPEEDS.get(config.model.backbone)
    if speed is None or not isinstance(method, TrainedMethod):
        return None
    trained = training_pixels(images[0], config.train.epochs, config.train.crop)
    return STEP_OVERHEAD * speed.train * trained * len(
        method.trainings(config)
    ) + speed.forward * multi_scale_pixels(images[0], pixels, config.infer.scales)


STAGE = Stage(
    name="seeds",
    writes="seeds",
    schema=2,
    run=run,
    reads=reads,
    splits=splits,
    defaults=method_defaults,
    owners=method_of_key,
    check=check,
    downloads=downloads,
    parts=parts,
    neutral=frozenset({"train.num_workers", "train.compile"}),
    seconds=seconds,
    bytes_per_image=12_000,
    bytes_of_training=600_000_000,
)
