"""The stage ``segment``: trains a network on masks, predicts the validation split and scores it."""

import time
from pathlib import Path
from typing import Any

from mmengine.config import Config

from segment.dataset import check_labels, label_files
from segment.infer import PREDICTIONS, PREDICTIONS_CRF, write_predictions
from segment.train import NETWORK, complete_config, train_segmentor
from wsss.artifacts import read_mask, write_json
from wsss.errors import ConfigError
from wsss.evaluate import evaluate_masks
from wsss.log import logger
from wsss.stage import Job, Result, Stage

SEEDS_BACKBONE = Path("train") / "backbone.pth"
SCORES = "scores.json"


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a trained network, its predictions and their scores."""
    config, dataset = job.config, job.dataset
    masks = masks_folder(job)
    config = complete_config(
        config, num_classes=len(dataset.classes), masks=masks, backbone=seeds_backbone(job)
    )
    train_dir = job.out_dir / "train"
    begin = time.monotonic()
    if not (train_dir / NETWORK).is_file():
        files = label_files(dataset, dataset.ids(config.dataset.train_split), masks)
        logger.info("masks: %.1f %% of the pixels are ignored", 100 * check_labels(dataset, files))
    network = train_segmentor(config, out_dir=train_dir)
    trained = time.monotonic()
    split = config.dataset.val_split
    image_ids = dataset.ids(split)
    write_predictions(network, dataset, image_ids, out_dir=job.out_dir, split=split, **config.infer)
    predicted = time.monotonic()
    figures = _score(job, image_ids, split)
    facts = describe_training(job) | {
        "seconds_of_training": round(trained - begin, 1),
        "seconds_per_prediction": round((predicted - trained) / max(len(image_ids), 1), 4),
    }
    write_json(job.out_dir / SCORES, {"split": split, **figures, **facts})
    return Result(split=split, image_ids=image_ids, figures=figures, extra=facts)


def masks_folder(job: Job) -> Path | None:
    """Folder of the masks to train on; None: ground truth.

    Raises:
        ConfigError: ``supervision`` is unknown or contradicts ``reads``.
    """
    supervision = job.config.supervision
    if supervision not in ("masks", "ground_truth"):
        raise ConfigError(
            f"expected supervision 'masks' or 'ground_truth', got {supervision!r}: correct 'supervision'"
        )
    if supervision == "ground_truth":
        return None
    if "masks" not in job.inputs:
        raise ConfigError(
            f"expected 'masks' in reads for supervision 'masks', got {tuple(job.inputs)}: correct 'reads'"
        )
    return job.inputs["masks"].dir


def seeds_backbone(job: Job) -> Path | None:
    """Weights of the backbone that the stage seeds trained, if the config asks for them.

    Raises:
        ConfigError: ``weights_from`` is unknown or contradicts ``reads``, or there is no such backbone.
    """
    source = job.config.weights_from
    if source is None:
        return None
    if source != "seeds" or "seeds" not in job.inputs:
        raise ConfigError(
            f"expected weights_from None, or 'seeds' with 'seeds' in reads, got {source!r} and reads "
            f"{tuple(job.inputs)}: correct 'weights_from' or 'reads'"
        )
    file = job.inputs["seeds"].dir / SEEDS_BACKBONE
    if not file.is_file():
        raise ConfigError(
            f"expected the backbone that the stage seeds trained at {file}, found no file: "
            "run the stage seeds, or set weights_from=None and model.backbone.pretrained"
        )
    return file


def describe_training(job: Job) -> dict[str, Any]:
    """What a score means nothing without: supervision, initialisation, masks, seed and length."""
    config: Config = job.config
    backbone = config.model.backbone
    facts: dict[str, Any] = {
        "supervision": "masks" if config.supervision == "masks" else "full supervision",
        "network": f"{config.model.type} {backbone.name}",
        "initialisation": "backbone trained by the stage seeds"
        if config.weights_from == "seeds"
        else str(backbone.pretrained or "random weights"),
        "seed": config.seed,
        "iterations": config.train_cfg.max_iters,
        "scales": list(config.infer.scales),
        "flip": config.infer.flip,
    }
    if config.supervision == "masks":
        manifest = job.inputs["masks"].manifest
        facts["masks"] = {
            "name": manifest.get("name", "masks"),
            "key": manifest["key"],
            "split": manifest["split"],
            "mIoU": manifest.get("figures", {}).get("mIoU"),
        }
    return facts


def _score(job: Job, image_ids: tuple[str, ...], split: str) -> dict[str, Any]:
    """Figures of the predictions, and of those after the dense CRF; nothing where no ground truth is."""
    dataset = job.dataset
    if not any(dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}

    def figures(name: str) -> dict[str, Any]:
        folder = job.out_dir / name / split
        scores = evaluate_masks(
            lambda image_id: read_mask(folder / f"{image_id}.png", num_classes=len(dataset.classes)),
            dataset,
            image_ids,
            description=f"score {name}",
        )
        return scores.figures()

    scored = figures(PREDICTIONS)
    if job.config.infer.crf:
        scored |= {f"{key}_crf": value for key, value in figures(PREDICTIONS_CRF).items() if key != "images"}
    return scored


STAGE = Stage(
    name="segment", reads=("masks",), writes="segment", schema=1, run=run, parts={"train": ("infer",)}
)
