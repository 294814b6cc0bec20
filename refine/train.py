"""Trains IRNet on confident labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from numpy.typing import NDArray

from refine.dataset import LabelledCrops
from refine.live import draw_edges
from refine.model import AUTHORS_KEY, IRNet
from wsss.artifacts import Artifact
from wsss.backbones import load_backbone
from wsss.datasets import DataSet
from wsss.distributed import is_main, main_first, main_says, shard, sum_up, wait
from wsss.images import normalize_image, read_image
from wsss.live import PictureHook
from wsss.progress import track
from wsss.training import Schedule, train_network
from wsss.weights import load_weights, save_weights

NETWORK = "irnet.pth"


def build_irnet(config: Mapping[str, Any], seeds: Artifact) -> IRNet:
    """Build the untrained IRNet that a refine config describes.

    Args:
        config: a refine config.
        seeds: the published seeds, whose stage may have left its trained backbone.

    Raises:
        ConfigError: weights that do not fit.
        ArtifactError: the seeds hold no backbone.
    """
    model = config["model"]
    torch.manual_seed(config["random_seed"])
    network = IRNet(
        model["backbone"],
        pretrained=None if model["pretrained"] == "seeds" else model["pretrained"],
        radius=config["train"]["radius"],
        displacement=model["displacement"],
        output_stride=model["output_stride"],
    )
    if model["pretrained"] == "seeds":
        load_backbone(network.backbone, seeds.backbone())
    return network


def load_irnet(config: Mapping[str, Any], seeds: Artifact) -> IRNet:
    """The IRNet from the file that the config names, in evaluation mode, on the device that is there.

    Raises:
        ConfigError: the file is absent, holds no state dict, or that of another network.
    """
    file = config["model"]["irnet"]["pretrained"]
    # Masks need the edges alone.
    plain = {**config["model"], "pretrained": None, "displacement": False}
    network = build_irnet({**config, "model": plain}, seeds)
    state_dict = load_weights(file, what="a trained IRNet", setting="model.irnet.pretrained")
    if any(key.removeprefix("module.") == AUTHORS_KEY for key in state_dict):
        network.load_reference(state_dict)
    else:
        network.load_own(state_dict)
    return _ready(network)


def _ready(network: IRNet) -> IRNet:
    """The network for use: in evaluation mode, on the device that is there."""
    # As training leaves it: another layout rounds otherwise, and a continued run should make the same files.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(get_device()).eval()


def train_irnet(
    config: Mapping[str, Any],
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    seeds: Artifact,
    read_label: Callable[[str], NDArray[np.uint8]],
    out_dir: Path,
) -> IRNet:
    """Train IRNet and measure its mean displacement, or load it where both were done before.

    Args:
        config: a refine config.
        dataset: where the images are.
        image_ids: images to train on.
        seeds: the published seeds.
        read_label: gives the confident label (H, W) uint8 of an image id.
        out_dir: folder for checkpoints; the network ends up in ``out_dir / "irnet.pth"``.

    Returns:
        The network in evaluation mode, on the device that is there.
    """
    with main_first():  # it may have to download weights
        network = build_irnet(config, seeds)
    final = out_dir / NETWORK
    if main_says(final.is_file()):
        network.load_state_dict(load_weights(final, what="a trained IRNet"))
        return _ready(network)
    settings = config["train"]
    train_network(
        network,
        LabelledCrops(
            dataset, image_ids, read_label, crop=settings["crop"], rescale=tuple(settings["rescale"])
        ),
        out_dir=out_dir,
        schedule=Schedule.from_settings(settings),
        parameter_groups=parameter_groups(network, settings),
        random_seed=config["random_seed"],
        description="train IRNet",
        hooks=[PictureHook(network, partial(draw_edges, network))],
        classes=dataset.classes,
    )
    network.to(get_device()).eval()
    if network.displacement is not None:
        measure_mean_shift(network, dataset, image_ids)
    if is_main():
        save_weights(network, final)
    wait()
    return network


def parameter_groups(network: IRNet, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """SGD's groups: the edge branch at the base rate, the displacement branch at its multiple."""
    rate = settings["learning_rate"]
    groups: list[dict[str, Any]] = [{"params": list(network.edge.parameters())}]
    if network.displacement is not None:
        displacement = list(network.displacement.parameters())
        groups.append({"params": displacement, "lr": rate * settings["displacement_factor"]})
    return groups


@torch.no_grad()
def measure_mean_shift(network: IRNet, dataset: DataSet, image_ids: Sequence[str]) -> None:
    """Set ``network.mean_shift`` to the mean displacement over whole images, each image counting the same.

    Several processes share the images.
    """
    network.eval()
    network.mean_shift.zero_()
    # Float64: the sum hardly depends on the order of the images, and so not on the number of processes.
    total = torch.zeros(2, dtype=torch.float64)
    for image_id in track(shard(image_ids), "mean displacement"):
        image = normalize_image(read_image(dataset.image_file(image_id))).contiguous()
        total += network(image[None].to(network.mean_shift.device))[1].double().mean(dim=(0, 2, 3)).cpu()
    network.mean_shift.copy_(sum_up(total) / len(image_ids))
