"""Trains the network of a segment config through mmengine's Runner."""

import copy
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn

from wsss.artifacts import atomic_write
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.training import ProgressHook

NETWORK = "network.pth"
LINES = 10  # with the losses' means, over the whole training


def complete_config(
    config: Config, *, num_classes: int, masks: Path | None, backbone: Path | None = None
) -> Config:
    """The config as mmengine's Runner gets it: what the stage knows is put where the Runner looks for it.

    Args:
        config: a segment config.
        num_classes: number of classes C of the data set, without background.
        masks: folder of masks to train on; None: ground truth.
        backbone: initial weights of the backbone; None: those that the config names.

    Returns:
        A copy.

    Raises:
        ConfigError: two sources of weights.
    """
    if backbone is not None and config.model.backbone.pretrained is not None:
        raise ConfigError(
            f"expected one source of weights, got weights_from {config.weights_from!r} and "
            f"model.backbone.pretrained {config.model.backbone.pretrained!r}: set one of them to None"
        )
    complete = copy.deepcopy(config)
    complete.model.decode_head.num_classes = num_classes + 1
    if backbone is not None:
        complete.model.backbone.pretrained = str(backbone)
    complete.train_dataloader.dataset.dataset = config.dataset
    complete.train_dataloader.dataset.masks = None if masks is None else str(masks)
    if complete.train_dataloader.num_workers == 0:
        complete.train_dataloader.persistent_workers = False
    complete.test_dataloader.dataset.dataset = config.dataset
    complete.param_scheduler.end = config.train_cfg.max_iters
    complete.randomness.seed = config.seed
    return complete


def train_segmentor(config: Config, *, out_dir: Path) -> nn.Module:
    """Train the network of a complete segment config, or load it where it was trained before.

    An interrupted training continues at its last checkpoint. The trained weights end up in
    ``out_dir / "network.pth"``.

    Args:
        config: from `complete_config`.
        out_dir: folder for checkpoints; holds nothing else.

    Returns:
        The network in evaluation mode, on the device that is there.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    if not (out_dir / NETWORK).is_file():
        state_dict = _train(config, out_dir)
        with atomic_write(out_dir / NETWORK) as temporary:
            torch.save(state_dict, temporary)
    # Only the final weights are read by anyone, and each checkpoint is twice their size.
    for checkpoint in out_dir.glob("iter_*.pth"):
        checkpoint.unlink()
    (out_dir / "last_checkpoint").unlink(missing_ok=True)
    return load_segmentor(config.model, out_dir / NETWORK)


def load_segmentor(model: Mapping[str, Any], file: Path) -> nn.Module:
    """Build a network and load trained weights.

    Args:
        model: ``config.model`` of a complete segment config.
        file: state dict of the whole network.

    Returns:
        The network in evaluation mode, on the device that is there.
    """
    settings = copy.deepcopy(dict(model))
    # The trained weights replace them: no need to have the file.
    settings["backbone"] = {**settings["backbone"], "pretrained": None}
    # mmengine looks for the normaliser in the default scope, which only a Runner sets.
    with DefaultScope.overwrite_default_scope("mmseg"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="mmseg")
        network: nn.Module = MODELS.build(settings)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _train(config: Config, out_dir: Path) -> dict[str, torch.Tensor]:
    """Trained weights, on the CPU."""
    settings = copy.deepcopy(config)
    settings.work_dir = str(out_dir)
    settings.resume = (out_dir / "last_checkpoint").is_file()
    settings.log_level = "ERROR"  # the progress hook says what people need
    settings.experiment_name = f"segment-{uuid.uuid4().hex[:8]}"
    for key in ("test_dataloader", "test_cfg", "test_evaluator"):
        settings.pop(key, None)
    with warnings.catch_warnings():
        # mmsegmentation warns of its own deprecated ways.
        warnings.filterwarnings("ignore", module="mmseg")
        runner = Runner.from_cfg(settings)
    # A fifth faster on CPUs and what tensor cores want.
    runner.model.to(memory_format=torch.channels_last)
    steps = int(config.train_cfg.max_iters)
    runner.register_hook(ProgressHook("train network", steps, max(steps // LINES, 1)))
    logger.info("train network: %d images, %d steps", len(runner.train_dataloader.dataset), steps)
    network = runner.train()
    network = getattr(network, "module", network)
    return {name: value.cpu() for name, value in network.state_dict().items()}
