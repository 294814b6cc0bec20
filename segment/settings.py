"""Settings of the stage segment: what they may be, and how they become a config of mmengine's Runner."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from segment.backbone import CutBackbone
from segment.dataset import label_files
from segment.given import load_given
from wsss.backbones import missing_download
from wsss.batches import share_of_batch
from wsss.errors import ConfigError
from wsss.ranges import COUNT, NOT_NEGATIVE, POSITIVE, PRECISION, OneOf, Range, check_ranges
from wsss.stage import Preview

CUT = "CutBackbone"
HEADS = ("decode_head", "auxiliary_head")
_BY_DATA = "the stage takes it from the data set"
# Settings of mmsegmentation's config that the stage sets itself -> where to set what they follow from.
OWNED = {
    "randomness.seed": "set random_seed",
    "param_scheduler.end": "set train_cfg.max_iters",
    "train_dataloader.dataset.dataset": "set dataset",
    "train_dataloader.dataset.masks": "give --masks DIR, or supervision=ground_truth",
    "val_dataloader.dataset.dataset": "set dataset",
    "val_dataloader.dataset.masks": "val is scored on its ground truth",
    "test_dataloader": "it is not used: set val_dataloader",
    "model.decode_head.num_classes": _BY_DATA,
    "model.auxiliary_head.num_classes": _BY_DATA,
    "model.backbone.pretrained": "set model.pretrained",
}
RANGES: dict[str, Range | OneOf] = {
    "supervision": OneOf(("masks", "ground_truth")),
    "select": OneOf(("last", "best")),
    "amp": PRECISION,
    "random_seed": Range(0, 2**32 - 1),
    "infer.scales": POSITIVE,
    "infer.window": COUNT,
    "infer.num_workers": NOT_NEGATIVE,
    "model.train_scales": POSITIVE,
    "model.label_stride": COUNT,
    "model.decode_head.dilations": COUNT,
    "train_dataloader.batch_size": COUNT,
    "train_dataloader.num_workers": NOT_NEGATIVE,
    "train_cfg.max_iters": COUNT,
    "train_cfg.val_interval": COUNT,
    "optim_wrapper.optimizer.lr": POSITIVE,
    "optim_wrapper.optimizer.weight_decay": NOT_NEGATIVE,
    "optim_wrapper.paramwise_cfg.head_factor": POSITIVE,
    "optim_wrapper.paramwise_cfg.head_bias_factor": POSITIVE,
    "param_scheduler.power": NOT_NEGATIVE,
}
_PRECISIONS: dict[str | None, dict[str, Any]] = {
    None: {},
    "bf16": {"type": "BFloat16OptimWrapper"},
    "fp16": {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"},
}


def is_given(config: Mapping[str, Any]) -> bool:
    """Whether the config names the file of a trained network, so that nothing is trained."""
    return config["model"].get("weights") is not None


def check_job(preview: Preview) -> None:
    """Refuse what cannot be trained, or given weights that do not fit, before anything is made.

    Raises:
        ConfigError: a setting out of range, weights or a head that do not fit the backbone, a batch
            that the processes cannot share.
        ArtifactError: masks or a backbone that should be there are not.
        DataError: ground truth is missing under full supervision.
    """
    config = preview.config
    check_ranges(config, RANGES)
    if not config.infer.scales:
        raise ConfigError("expected at least one scale, got none: correct 'infer.scales'")
    share_of_batch(config.train_dataloader.batch_size, setting="train_dataloader.batch_size")
    if is_given(config):
        complete = complete_config(config, num_classes=len(preview.dataset.classes), masks=None)
        load_given(complete.model, config.model.weights)
        preview.dataset.ids(config.dataset.val_split)
        return
    _check_labels_exist(preview)
    _check_seeds(preview)
    if config.model.backbone.type == CUT:
        _check_backbone(config.model)


def _check_labels_exist(preview: Preview) -> None:
    """Masks of a run that comes first are not there yet; all others must be."""
    config, masks = preview.config, preview.inputs.get("masks")
    if masks is None or masks.artifact is not None:
        ids = preview.dataset.ids(config.dataset.train_split)
        label_files(preview.dataset, ids, None if masks is None else masks.dir)
    preview.dataset.ids(config.dataset.val_split)


def _check_seeds(preview: Preview) -> None:
    """The backbone of the seeds must be this network's."""
    seeds = preview.inputs.get("seeds")
    if seeds is None:
        return
    theirs, ours = seeds.settings.get("model.backbone"), preview.config.model.backbone.get("name")
    if theirs != ours:
        raise ConfigError(
            f"expected seeds on {ours!r} for model.pretrained='seeds', got {theirs!r} in {seeds.dir}: set "
            "model.backbone.name, or another model.pretrained"
        )
    if seeds.artifact is not None:
        seeds.artifact.backbone()


def _check_backbone(model: Mapping[str, Any]) -> None:
    """Build the backbone with its weights, and compare its channels with the head's."""
    backbone = {key: value for key, value in model["backbone"].items() if key != "type"}
    given = model.get("pretrained")
    network = CutBackbone(**backbone, pretrained=None if given in ("imagenet", "seeds") else given).network
    head = model.get("decode_head", {})
    place = head.get("in_index", -1)
    if isinstance(place, int) and head.get("in_channels") != network.channels[place]:
        raise ConfigError(
            f"expected model.decode_head.in_channels={network.channels[place]} for level {place} of "
            f"{network.name}, got {head.get('in_channels')}: correct it"
        )


def downloads(config: Config) -> Sequence[str]:
    """Weights that would have to be downloaded."""
    if is_given(config):
        return ()
    backbone, weights = config.model.backbone, config.model.get("pretrained")
    missing = missing_download(backbone.name, weights) if backbone.type == CUT else None
    return () if missing is None else (missing,)


def complete_config(
    config: Config, *, num_classes: int, masks: Path | None, backbone: Path | None = None
) -> Config:
    """The config as mmengine's Runner gets it: what the stage knows is put where the Runner looks for it.

    Args:
        config: a segment config.
        num_classes: number of classes C of the data set, without background.
        masks: folder of masks to train on; None: ground truth.
        backbone: initial weights of the backbone; None: those of ``model.pretrained``.

    Returns:
        A copy.

    Raises:
        ConfigError: a batch that the processes cannot share.
    """
    complete = copy.deepcopy(config)
    complete.model.pop("weights", None)
    if is_given(config):
        complete.model.pop("pretrained", None)
    for head in HEADS:
        if head in complete.model:
            complete.model[head].num_classes = num_classes + 1
    if "pretrained" in complete.model and complete.model.backbone.type == CUT:
        complete.model.backbone.pretrained = complete.model.pop("pretrained")
    if backbone is not None:
        complete.model.backbone.pretrained = str(backbone)
    for loader in (complete.train_dataloader, complete.val_dataloader, complete.test_dataloader):
        loader.dataset.dataset = config.dataset
        if loader.num_workers == 0:
            loader.persistent_workers = False
    complete.train_dataloader.dataset.masks = None if masks is None else str(masks)
    complete.train_dataloader.batch_size = share_of_batch(
        config.train_dataloader.batch_size, setting="train_dataloader.batch_size"
    )
    complete.param_scheduler.end = config.train_cfg.max_iters
    complete.randomness.seed = config.random_seed
    complete.optim_wrapper.update(_PRECISIONS[config.amp])
    if config.infer.window is not None:
        window = int(config.infer.window)
        stride = (-(-2 * window // 3),) * 2
        complete.model.test_cfg = {"mode": "slide", "crop_size": (window, window), "stride": stride}
    return complete
