"""Networks of mmsegmentation from plain settings, with trained weights, for prediction."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS, TASK_UTILS
from torch import nn

import segment.backbone
import segment.deeplabv2
import segment.deeplabv3  # noqa: F401  registers heads and backbones
from wsss.errors import ArtifactError
from wsss.weights import load_weights

# Where initial weights come from: the trained ones replace them, and an address could be among them.
_INITIAL = ("pretrained", "init_cfg", "checkpoint_path")


def build_network(model: Mapping[str, Any]) -> nn.Module:
    """Build a network without its initial weights.

    Args:
        model: ``config.model`` of a complete segment config.

    Returns:
        The network in evaluation mode, on the device that is there.
    """
    # mmsegmentation reads parts of it as attributes.
    settings = ConfigDict(copy.deepcopy(dict(model)))
    # Trained weights replace them: no need to have the file.
    initial = {key: None for key in ("pretrained", "init_cfg") if key in settings["backbone"]}
    settings["backbone"] = {**settings["backbone"], **initial}
    # mmengine looks for the normalizer in the default scope, which only a Runner sets.
    with DefaultScope.overwrite_default_scope("mmseg"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="mmseg")
        network: nn.Module = MODELS.build(settings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def load_network(model: Mapping[str, Any], file: Path) -> nn.Module:
    """Build a network and load trained weights.

    Args:
        model: ``config.model`` of a complete segment config.
        file: state dict of the whole network.

    Returns:
        The network in evaluation mode, on the device that is there.
    """
    network = build_network(model)
    network.load_state_dict(load_weights(file, what="a trained network"))
    return network


def plain_model(model: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """A network's settings out of a published folder, so that building it runs nothing but known networks.

    mmengine takes a ``type`` that nobody registered for the path of any function of any package, and calls
    it.

    Args:
        model: table ``model`` of the config.
        source: where it was read, for the message.

    Returns:
        A copy without initial weights.

    Raises:
        ArtifactError: a type that no network, layer or loss is registered under.
    """
    MODELS.import_from_location()
    kind = model.get("type")
    if kind is not None and not _is_registered(kind):
        raise ArtifactError(
            f"expected registered networks and layers in {source}, got type {kind!r}: do not use this folder"
        )
    return {key: _plain(value, source) for key, value in model.items() if key not in _INITIAL}


def _plain(value: Any, source: Path) -> Any:
    if isinstance(value, Mapping):
        return plain_model(value, source)
    return [_plain(one, source) for one in value] if isinstance(value, list | tuple) else value


def _is_registered(kind: Any) -> bool:
    registries = (MODELS, MODELS.parent, TASK_UTILS, TASK_UTILS.parent)
    return isinstance(kind, str) and any(kind in one.module_dict for one in registries)
