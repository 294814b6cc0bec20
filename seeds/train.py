"""Builds the network of a seed method and trains it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from seeds.cam import CAMNet
from seeds.dataset import TaggedImages
from seeds.fuse import How
from seeds.model import BASNet, LossWeights
from seeds.watch import WatchMaps
from wsss.artifacts import write_json
from wsss.datasets import DataSet
from wsss.distributed import is_main, main_first, wait
from wsss.errors import ConfigError
from wsss.training import Schedule, train_network
from wsss.weights import save_weights

BACKBONE = "backbone.pth"
MAPS = "maps.json"


def build_network(config: Mapping[str, Any], num_classes: int, *, steps_per_epoch: int) -> BASNet | CAMNet:
    """Build the untrained network that a seeds config describes.

    Raises:
        ConfigError: a setting has none of its values, or the weights do not fit.
    """
    _expect_one_of(("bas", "cam", "combine"), config["method"], "method")
    _expect_one_of((None, *get_args(How)), config["infer"]["fuse"], "infer.fuse")
    _expect_one_of((None, "bf16", "fp16"), config["infer"]["amp"], "infer.amp")
    _expect_one_of(("stop", "warn"), config["train"]["on_dead_maps"], "train.on_dead_maps")
    model, fuse = config["model"], config["infer"]["fuse"]
    if fuse is not None and (config["method"] != "bas" or not model["foreground"]):
        raise ConfigError(
            f"expected method='bas' with model.foreground=True for infer.fuse={fuse!r}, got "
            f"{config['method']!r} and {model['foreground']}: set them, or infer.fuse=None"
        )
    torch.manual_seed(config["seed"])
    if config["method"] == "cam":
        return CAMNet(
            model["backbone"],
            num_classes,
            model["pretrained"],
            frozen_levels=model["frozen_levels"],
            fixed_batch_norm=model["fixed_batch_norm"],
        )
    return BASNet(
        model["backbone"],
        num_classes,
        foreground=model["foreground"],
        pretrained=model["pretrained"],
        cut=model["cut"],
        warmup_steps=model["warmup_epochs"] * steps_per_epoch,
        weights=LossWeights(**model["loss_weights"]),
        normalize_features=model["normalize_features"],
        fixed_batch_norm=model["fixed_batch_norm"],
    )


def train_seeds(
    config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str], *, out_dir: Path
) -> tuple[BASNet | CAMNet, dict[str, Any]]:
    """Train the network of a seeds config, or load it where it was trained.

    The backbone's weights are kept as ``out_dir / "backbone.pth"``: later stages may start from them.

    Returns:
        (the trained network, what was seen of the maps while they were trained).
    """
    settings = config["train"]
    schedule = Schedule(
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        poly_length=settings["poly_length"],
        num_workers=settings["num_workers"],
        amp=settings["amp"],
        compile=settings["compile"],
    )
    steps_per_epoch = schedule.steps_per_epoch(len(image_ids))
    with main_first():  # it may have to download weights
        network = build_network(config, len(dataset.classes), steps_per_epoch=steps_per_epoch)
    watch = None
    if isinstance(network, BASNet):
        watch = WatchMaps(network, tuple(dataset.classes), on_dead=settings["on_dead_maps"])
    train_network(
        network,
        TaggedImages(dataset, image_ids, resize=settings["resize"], crop=settings["crop"]),
        out_dir=out_dir,
        schedule=schedule,
        parameter_groups=_parameter_groups(network, settings),
        seed=config["seed"],
        description=f"train {config['method']}",
        hooks=[] if watch is None else [watch],
        classes=dataset.classes,
    )
    maps = out_dir / MAPS
    if is_main():
        save_weights(network.backbone, out_dir / BACKBONE)
        if watch is not None and watch.area:
            write_json(maps, watch.figures())
    wait()
    return network, json.loads(maps.read_text()) if maps.is_file() else {}


def _expect_one_of(choices: tuple[str | None, ...], got: Any, setting: str) -> None:
    if got not in choices:
        shown = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"expected one of {shown}, got {got!r}: correct '{setting}'")


def _parameter_groups(network: BASNet | CAMNet, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """SGD's groups: backbone, classifier and generators, each with its own rate."""
    rate = settings["learning_rate"]
    generators = [head.weight for head in network.heads()[1:]]
    heads = {id(head.weight) for head in network.heads()}
    rest = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
        and id(parameter) not in heads
        and (settings["biases"] or not name.endswith(".bias"))
    ]
    groups = [
        {"params": rest},
        {"params": [network.classifier.weight], "lr": rate * settings["classifier_factor"]},
        {"params": generators, "lr": rate * settings["generator_factor"]},
    ]
    return [group for group in groups if group["params"]]
