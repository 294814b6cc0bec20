"""The stage ``segment``: trains a network on masks, predicts the validation split and scores it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from segment.checks import LabelCheck, check_labels, refuse_wrong_masks
from segment.dataset import label_files
from segment.infer import write_predictions
from segment.scores import SCORES, TABLE, score_predictions, score_table, share_of_full_supervision
from segment.train import CHOSEN, complete_config, train_segmentor
from wsss.artifacts import atomic_write, write_json
from wsss.distributed import is_main
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.stage import Job, Result, Stage

SEEDS_BACKBONE = Path("train") / "backbone.pth"
CONFIG = "config.py"


def run(job: Job) -> Result:
    """Fill ``job.out_dir`` with a trained network, its predictions and their scores."""
    config, dataset = job.config, job.dataset
    masks = masks_folder(job)
    complete = complete_config(
        config, num_classes=len(dataset.classes), masks=masks, backbone=seeds_backbone(job)
    )
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
    if is_main():
        with atomic_write(job.out_dir / CONFIG) as temporary:
            complete.dump(temporary)
    split = config.dataset.val_split
    image_ids = dataset.ids(split)
    facts["seconds_per_prediction"] = write_predictions(
        network, dataset, image_ids, out_dir=job.out_dir, split=split, **prediction_settings(config)
    )
    figures = score_predictions(job.out_dir, dataset, image_ids, split=split, crf=config.infer.crf)
    facts |= share_of_full_supervision(job.out_dir, {"split": split, "figures": figures, **facts})
    if is_main():
        write_json(job.out_dir / SCORES, {"split": split, **figures, **facts})
        with atomic_write(job.out_dir / TABLE) as temporary:
            temporary.write_text(score_table({"split": split, **figures, **facts}), encoding="utf-8")
    return Result(split=split, image_ids=image_ids, figures=figures, extra=facts)


def prediction_settings(config: Config) -> dict[str, Any]:
    """Arguments of `segment.infer.write_predictions` that a config sets; the network holds its windows."""
    return {key: value for key, value in config.infer.items() if key != "window"}


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


def describe_training(job: Job, check: LabelCheck) -> dict[str, Any]:
    """What a score means nothing without: supervision, initialisation, masks, seed and length."""
    config: Config = job.config
    masks = config.supervision == "masks"
    facts: dict[str, Any] = {
        "supervision": "masks" if masks and not check.is_ground_truth else "full supervision",
        "network": _name_network(config.model),
        "initialisation": _name_weights(config),
        "seed": config.seed,
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
    if config.weights_from == "seeds":
        return "backbone trained by the stage seeds"
    backbone = config.model.backbone
    source = backbone.get("pretrained") or (backbone.get("init_cfg") or {}).get("checkpoint")
    if source is None:
        return "random weights"
    if source == "imagenet":
        return "ImageNet (torchvision or timm)"
    return f"{config.pretrained_on} ({Path(source).name})"


STAGE = Stage(
    name="segment", reads=("masks",), writes="segment", schema=2, run=run, parts={"train": ("infer",)}
)
