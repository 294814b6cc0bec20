"""Trains the network of a segment config through mmengine's Runner."""

import contextlib
import copy
import uuid
import warnings
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from segment.live import draw_predictions
from segment.network import load_network
from wsss import distributed
from wsss.artifacts import write_json
from wsss.checkpoints import PlainCheckpoint, last_checkpoint
from wsss.live import PictureHook, tensorboard
from wsss.log import logger
from wsss.training_progress import ProgressHook, RuntimeInfoWithoutLosses
from wsss.weights import load_weights, save_weights

NETWORK = "network.pth"
CHOSEN = "chosen.json"
LINES = 10  # with the losses' means, over the whole training


def train_segmentor(config: Config, *, out_dir: Path) -> nn.Module:
    """Train the network of a complete segment config, or load it where it was trained before.

    An interrupted training continues at its last checkpoint, with the images and crops that it would have
    had. The trained weights end up in ``out_dir / "network.pth"``; with ``select="best"`` they are those of
    the iteration with the highest mIoU on the validation split, which ``chosen.json`` names.

    Args:
        config: from `complete_config`.
        out_dir: folder for checkpoints; holds nothing else.

    Returns:
        The network in evaluation mode, on the device that is there.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    if not distributed.main_says((out_dir / NETWORK).is_file()):
        _train(config, out_dir)
        distributed.wait()
    if distributed.is_main():
        # Only the final weights are read by anyone, and each checkpoint is twice their size.
        for checkpoint in [*out_dir.glob("iter_*.pth"), *out_dir.glob("best_*.pth")]:
            checkpoint.unlink()
        (out_dir / "last_checkpoint").unlink(missing_ok=True)
    return load_network(config.model, out_dir / NETWORK)


def _train(config: Config, out_dir: Path) -> None:
    """Train, and write the weights that the config selects."""
    with warnings.catch_warnings():
        # mmsegmentation warns of its own deprecated ways, mmengine of how it sets up several processes.
        warnings.filterwarnings("ignore", module="mmseg|mmengine")
        runner = Runner.from_cfg(_runner_settings(config, out_dir))
    steps = int(config.train_cfg.max_iters)
    runner.register_hook(PlainCheckpoint())
    progress = ProgressHook("train network", steps, max(steps // LINES, 1))
    runner.register_hook(progress)
    trained = getattr(runner.model, "module", runner.model)
    runner.register_hook(PictureHook(trained, partial(draw_predictions, trained)))
    logger.info("train network: %d images, %d steps", len(runner.train_dataloader.dataset), steps)
    with contextlib.closing(progress):
        network = runner.train()
    if not distributed.is_main():
        return
    state_dict = getattr(network, "module", network).state_dict()
    if config.select == "best":
        best = out_dir / Path(runner.message_hub.get_info("best_ckpt")).name
        state_dict = load_weights(best, what="a checkpoint of this training")
        iteration = int(best.stem.rsplit("_", 1)[-1])
        logger.info("train network: the best of all on val is iteration %d", iteration)
        write_json(out_dir / CHOSEN, {"iteration": iteration, "how": "chosen on val, one scale"})
    save_weights(state_dict, out_dir / NETWORK)


def _runner_settings(config: Config, out_dir: Path) -> Config:
    """What the Runner needs besides the config: where, from where on, with which processes."""
    settings = copy.deepcopy(config)
    settings.work_dir = str(out_dir)
    checkpoint = last_checkpoint(out_dir)
    settings.resume = checkpoint is not None
    settings.load_from = None if checkpoint is None else str(checkpoint)
    settings.visualizer = tensorboard(out_dir)
    settings.default_hooks.runtime_info = {"type": RuntimeInfoWithoutLosses.__name__}
    settings.log_level = "ERROR"  # the progress hook says what people need
    settings.experiment_name = f"segment-{uuid.uuid4().hex[:8]}"
    unused = ["test_dataloader", "test_cfg", "test_evaluator"]
    if config.select == "best":
        settings.default_hooks.checkpoint.update(save_best="mIoU", rule="greater")
    else:
        unused += ["val_dataloader", "val_cfg", "val_evaluator"]
    for key in unused:
        settings.pop(key, None)
    settings.launcher = distributed.launcher()
    settings.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "device_ids": [torch.cuda.current_device()] if torch.cuda.is_available() else None,
        "broadcast_buffers": False,
    }
    return settings
