"""Builds the networks of a seed method and trains them, one after the other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.device import get_device
from mmengine.hooks import Hook
from torch import nn

from seeds.contract import Plan, Training
from seeds.dataset import TaggedImages
from seeds.live import draw_maps
from seeds.localization_backbones import LocalizationBackbone
from wsss.artifacts import write_json
from wsss.datasets import DataSet
from wsss.distributed import is_main, main_first, wait
from wsss.errors import ConfigError
from wsss.live import PictureHook
from wsss.log import logger
from wsss.training import train_network
from wsss.weights import load_weights, save_weights

if TYPE_CHECKING:
    from seeds.methods.trained import TrainedMethod

BACKBONE = "backbone.pth"
MAPS = "maps.json"


def check_warmup(config: Mapping[str, Any]) -> None:
    """Refuse a warm-up of the classifier that leaves no epoch for the maps.

    Raises:
        ConfigError: ``train.epochs`` are not above ``model.warmup_epochs``.
    """
    epochs, warmup = config["train"]["epochs"], config["model"]["warmup_epochs"]
    if epochs <= warmup:
        raise ConfigError(
            f"expected train.epochs above model.warmup_epochs, got {epochs} and {warmup}: the maps would "
            "never be trained, raise one or lower the other"
        )


def build_training(
    method: TrainedMethod, name: str, plan: Plan, trained: Mapping[str, nn.Module]
) -> Training:
    """Build one training of a method: random weights follow from the config's seed alone.

    Raises:
        ConfigError: the network cannot be built with these settings, or its weights do not fit.
    """
    torch.manual_seed(plan.config["random_seed"])
    return method.build(name, plan, trained)


def build_predictor(method: TrainedMethod, plan: Plan) -> nn.Module:
    """Build the networks of all trainings, untrained, and what they make up at inference."""
    networks: dict[str, nn.Module] = {}
    for name in method.trainings(plan.config):
        networks[name] = build_training(method, name, plan, networks).network
    return method.predictor(plan.config, networks)


def load_given(method: TrainedMethod, plan: Plan) -> nn.Module:
    """The network of a method with one training, from the file that ``model.weights`` names.

    Args:
        method: owns the setting; its network may have ``load_reference`` for the authors' names.
        plan: settings and classes.

    Returns:
        The network in evaluation mode.

    Raises:
        ConfigError: the file is absent, holds no state dict, or that of another network or class count.
    """
    file = plan.config["model"]["weights"]
    state_dict = load_weights(file, what="a trained network", setting="model.weights")
    # The file replaces initial weights, which might have to be downloaded.
    own = {**plan.config, "model": {**plan.config["model"], "pretrained": None}}
    plan = dataclasses.replace(plan, config=own)
    network: Any = build_training(method, method.trainings(own)[0], plan, {}).network
    own_names = network.state_dict().keys()
    is_ours = 2 * len(own_names & state_dict.keys()) > len(own_names)
    what = f"a trained {method.name} of {len(plan.classes)} classes"
    left_out: list[str] = []
    try:
        if is_ours:
            _check_names(own_names, state_dict.keys(), file, what=what)
            network.load_state_dict(state_dict)
        else:
            left_out = network.load_reference(state_dict)
    except RuntimeError as error:
        raise ConfigError(
            f"expected {what} in {file}, got {str(error).splitlines()[-1].strip()}: correct 'model.weights'"
        ) from error
    logger.info(
        "%s: %d entries of %s loaded by %s names, left out: %s; nothing is trained",
        method.name,
        len(state_dict) - len(left_out),
        Path(file).name,
        "our" if is_ours else "the authors'",
        f"{len(left_out)} (first: {left_out[0]})" if left_out else "none",
    )
    network.to(memory_format=torch.channels_last)
    return network.eval()


def _check_names(own: Collection[str], given: Collection[str], file: str, *, what: str) -> None:
    """Refuse a network of ours that was trained with other settings, which has other parts."""
    problems = {
        "missing": [name for name in own if name not in given],
        "unknown": [name for name in given if name not in own],
    }
    found = [f"{len(names)} {kind} ({names[0]})" for kind, names in problems.items() if names]
    if found:
        raise ConfigError(
            f"expected {what} with the parts that this config asks for in {file}, got entries "
            f"{', '.join(found)}: correct 'model.weights', or give the 'model' settings of its training, "
            "which stand in the manifest.json of its seeds"
        )


def train_in_turn(
    method: TrainedMethod,
    config: Mapping[str, Any],
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    out_dir: Path,
) -> tuple[nn.Module, dict[str, Any]]:
    """Run a method's trainings, or load those that were run before.

    A single training fills ``out_dir``, several fill ``out_dir / NAME``. The backbone's weights are kept as
    ``out_dir / "backbone.pth"``: later stages may start from them.

    Returns:
        (the predictor, what the trainings measured).
    """
    plan = Plan(config, tuple(dataset.classes), len(image_ids))
    names = method.trainings(config)
    trained: dict[str, nn.Module] = {}
    figures: dict[str, Any] = {}
    if config["model"].get("weights") is not None:
        trained[names[0]] = load_given(method, plan).to(get_device())
        names = ()
    for name in names:
        single = len(names) == 1
        with main_first():  # it may have to download weights
            training = build_training(method, name, plan, trained)
        figures |= _train(
            training,
            dataset,
            image_ids,
            config=config,
            out_dir=out_dir if single else out_dir / name,
            description=f"train {method.name}" if single else f"train {method.name} {name}",
        )
        trained[name] = training.network
    predictor = method.predictor(config, trained)
    backbone: Any = getattr(predictor, "backbone", None)
    if is_main() and backbone is not None:
        # Names of the library fit other cuts of the same network; a `Backbone` has one cut for all stages.
        is_cut_elsewhere = isinstance(backbone, LocalizationBackbone)
        weights = backbone.library_state_dict() if is_cut_elsewhere else backbone
        save_weights(weights, out_dir / BACKBONE)
    wait()
    return predictor, figures


def _train(
    training: Training,
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    config: Mapping[str, Any],
    out_dir: Path,
    description: str,
) -> dict[str, Any]:
    """Run one training; gives what it measured, also where it was run before."""
    settings = config["train"]
    if training.images is not None:
        images = training.images(dataset, image_ids)
    else:
        images = TaggedImages(dataset, image_ids, resize=settings["resize"], crop=settings["crop"])
    train_network(
        training.network,
        images,
        out_dir=out_dir,
        schedule=training.schedule,
        parameter_groups=training.parameter_groups,
        optimizer=training.optimizer,
        random_seed=config["random_seed"],
        description=description,
        hooks=[*training.hooks, *_pictures(training.network)],
        classes=dataset.classes,
    )
    file = out_dir / MAPS
    if is_main() and (figures := dict(training.figures())):
        write_json(file, figures)
    wait()
    return json.loads(file.read_text()) if file.is_file() else {}


def _pictures(network: nn.Module) -> list[Hook]:
    """Pictures of the maps for TensorBoard, where the network that is trained makes any itself."""
    return [PictureHook(network, partial(draw_maps, network))] if hasattr(network, "seed_maps") else []
