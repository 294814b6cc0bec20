"""The stage ``segment``: trains a network on masks, predicts the validation split and scores it."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from segment.checks import LabelCheck, check_labels, refuse_wrong_masks
from segment.dataset import label_files
from segment.given import load_given
from segment.infer import write_predictions
from segment.scores import SCORES, TABLE, score_predictions, score_table
from segment.settings import OWNED, check_job, complete_config, downloads, is_given
from segment.train import CHOSEN, NETWORK, train_segmentor
from wsss.artifacts import atomic_write, write_json
from wsss.distributed import is_main
from wsss.log import logger
from wsss.speed import SPEEDS, STEP_OVERHEAD, multi_scale_pixels
from wsss.stage import Job, Result, Stage
from wsss.weights import save_weights

CONFIG = "config.py"


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a trained network, its predictions and their scores."""
    config, dataset = job.config, job.dataset
    masks = masks_folder(job)
    complete = complete_config(
        config, num_classes=len(dataset.classes), masks=masks, backbone=seeds_backbone(job)
    )
    network, facts = _take(job, complete) if is_given(config) else _train(job, complete, masks)
    if is_main():
        with atomic_write(job.out_dir / CONFIG) as temporary:
            complete.dump(temporary)
    split = config.dataset.val_split
    image_ids = dataset.ids(split)
    facts["seconds_per_prediction"] = write_predictions(
        network, dataset, image_ids, out_dir=job.out_dir, split=split, **prediction_settings(config)
    )
    figures = score_predictions(job.out_dir, dataset, image_ids, split=split, crf=config.infer.crf)
    if is_main():
        write_json(job.out_dir / SCORES, {"split": split, **figures, **facts})
        with atomic_write(job.out_dir / TABLE) as temporary:
            temporary.write_text(score_table({"split": split, **figures, **facts}), encoding="utf-8")
    return Result(split=split, image_ids=image_ids, figures=figures, extra=facts)


def _train(job: Job, complete: Config, masks: Path | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network trained on labels that were checked, and what its score means nothing without."""
    config, dataset = job.config, job.dataset
    check = check_labels(dataset, label_files(dataset, dataset.ids(config.dataset.train_split), masks))
    if masks is not None:
        allowed = {key: config[key] for key in ("allow_ground_truth", "allow_untagged")}
        refuse_wrong_masks(check, masks, **allowed)
    facts = describe_training(job, check)
    logger.info(
        "%s: %d images, %.1f %% of the pixels are ignored",
        facts["supervision"],
        check.images,
        100 * check.ignored,
    )
    begin = time.monotonic()
    network = train_segmentor(complete, out_dir=job.out_dir / "train")
    facts["seconds_of_training"] = round(time.monotonic() - begin, 1)
    facts["weights"] = describe_choice(job.out_dir / "train" / CHOSEN)
    return network, facts


def _take(job: Job, complete: Config) -> tuple[nn.Module, dict[str, Any]]:
    """The given network, kept under our names as a trained one is, and what is known of it."""
    config, file = job.config, job.out_dir / "train" / NETWORK
    network = load_given(complete.model, config.model.weights)
    if is_main():
        save_weights(network, file)
    facts = {
        "supervision": "what its file was trained on",
        "network": _name_network(config.model),
        "initialisation": f"trained weights {Path(config.model.weights).name}, not trained here",
        "scales": list(config.infer.scales),
        "flip": config.infer.flip,
    }
    return network, facts


def prediction_settings(config: Config) -> dict[str, Any]:
    """Arguments of `segment.infer.write_predictions` that a config sets; the network holds its windows."""
    return {key: value for key, value in config.infer.items() if key != "window"}


def masks_folder(job: Job) -> Path | None:
    """Folder of the masks to train on; None: ground truth."""
    return job.inputs["masks"].dir if "masks" in job.inputs else None


def seeds_backbone(job: Job) -> Path | None:
    """Weights of the backbone that the stage seeds trained, if the config asks for them.

    Raises:
        ArtifactError: the seeds hold no backbone.
    """
    return job.inputs["seeds"].backbone() if starts_from_seeds(job.config) else None


def starts_from_seeds(config: Config) -> bool:
    """Whether the backbone starts with the weights that the stage seeds trained."""
    return bool(config.model.get("pretrained") == "seeds") and not is_given(config)


def reads(config: Config) -> tuple[str, ...]:
    """Artifacts that a config needs."""
    if is_given(config):
        return ()
    masks = () if config.supervision == "ground_truth" else ("masks",)
    return (*masks, "seeds") if starts_from_seeds(config) else masks


def splits(config: Config) -> tuple[str, ...]:
    """The split to train on, where anything is trained, and the one to predict."""
    predicted = (config.dataset.val_split,)
    return predicted if is_given(config) else (config.dataset.train_split, *predicted)


def parts(config: Config) -> dict[str, tuple[str, ...]]:
    """What the training does not depend on: how and what is predicted afterwards."""
    free = ["infer"]
    if config.dataset.val_split != config.dataset.train_split and config.select == "last":
        free += [f"data {config.dataset.val_split}", f"ground truth {config.dataset.val_split}"]
    if config.supervision == "masks":
        free.append(f"ground truth {config.dataset.train_split}")
    return {"train": tuple(free)}


def describe_training(job: Job, check: LabelCheck) -> dict[str, Any]:
    """What a score means nothing without: supervision, initialisation, masks, random seed and length."""
    config: Config = job.config
    masks = config.supervision == "masks"
    facts: dict[str, Any] = {
        "supervision": "masks" if masks and not check.is_ground_truth else "full supervision",
        "network": _name_network(config.model),
        "initialisation": _name_weights(config),
        "random_seed": config.random_seed,
        "iterations": config.train_cfg.max_iters,
        "precision": config.amp or "fp32",
        "scales": list(config.infer.scales),
        "flip": config.infer.flip,
        "training_images": check.images,
        "ignored_pixels": round(check.ignored, 6),
    }
    if masks:
        manifest = job.inputs["masks"].manifest
        facts["masks"] = {
            "name": manifest.get("name", "masks"),
            "key": manifest["key"],
            "split": manifest["split"],
            "mIoU": manifest.get("figures", {}).get("mIoU"),
            "equal_to_ground_truth": check.identical,
            "compared_to_ground_truth": check.compared,
        }
    return facts


def describe_choice(file: Path) -> str:
    """Which iteration's weights were kept, and who chose it."""
    if not file.is_file():
        return "last iteration"
    chosen = json.loads(file.read_text())
    return f"iteration {chosen['iteration']}, {chosen['how']}"


def _name_network(model: Mapping[str, Any]) -> str:
    """Segmentor, or head, and backbone: ``DeepLabV2 resnet101``, ``FCNHead ResNetV1c-50``."""
    backbone = model["backbone"]
    if "name" in backbone:
        return f"{model['type']} {backbone['name']}"
    depth = f"-{backbone['depth']}" if "depth" in backbone else ""
    return f"{model['decode_head']['type']} {backbone['type']}{depth}"


def _name_weights(config: Config) -> str:
    """What the initial weights were trained on, and their file without its folder."""
    if starts_from_seeds(config):
        return "backbone trained by the stage seeds"
    init = config.model.backbone.get("init_cfg") or {}
    source = config.model.get("pretrained") or init.get("checkpoint")
    if source is None:
        return "random weights"
    if source == "imagenet":
        return "ImageNet (torchvision or timm)"
    return f"{config.pretrained_on} ({Path(source).name})"


def seconds(config: Config, images: Sequence[int], pixels: float) -> float | None:
    """Rough core-seconds of the training and of the predictions; None for what was not measured."""
    speed = SPEEDS.get(config.model.backbone.name)
    predicted = multi_scale_pixels(images[-1], pixels, config.infer.scales, flip=config.infer.flip)
    if is_given(config):
        return None if speed is None else speed.dense_forward * predicted
    crops = [step.crop_size for step in config.train_dataloader.dataset.pipeline if step.type == "RandomCrop"]
    if speed is None or not crops:
        return None
    seen = config.train_cfg.max_iters * config.train_dataloader.batch_size * math.prod(crops[-1]) / 1e6
    seen *= sum(scale**2 for scale in config.model.train_scales)
    return STEP_OVERHEAD * speed.dense_train * seen + speed.dense_forward * predicted


STAGE = Stage(
    name="segment",
    writes="segment",
    schema=3,
    run=run,
    reads=reads,
    splits=splits,
    check=check_job,
    parts=parts,
    seconds=seconds,
    neutral=frozenset(
        {
            "allow_ground_truth",
            "allow_untagged",
            "default_hooks.checkpoint.interval",
            "default_hooks.checkpoint.max_keep_ckpts",
            "infer.num_workers",
            "log_processor",
            "test_cfg",
            "test_dataloader",
            "test_evaluator",
            "train_dataloader.num_workers",
            "train_dataloader.persistent_workers",
            "val_dataloader.num_workers",
            "val_dataloader.persistent_workers",
        }
    ),
    owned=OWNED,
    downloads=downloads,
    bytes_per_image=20_000,
    bytes_of_training=1_500_000_000,
)
