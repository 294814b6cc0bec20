"""Trained networks from files, used without training: ours, deeplab-pytorch's and torchvision's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segment.backbone import RELEASED_NAME, CutBackbone, rename_released_keys
from segment.deeplabv2 import DeepLabV2Head
from segment.deeplabv3 import TorchvisionDeepLabV3Head
from segment.network import build_network
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.weights import load_weights

_SETTING = "model.weights"
_RELEASED_HEAD = re.compile(r"(?:base\.)*aspp\.c(\d+)\.(weight|bias)")
# torchvision's second head, which only trainings use.
_AUXILIARY = "aux_classifier."


def load_given(model: Mapping[str, Any], file: str | Path) -> nn.Module:
    """Build a network and give it the trained weights of a file; says what was loaded and what was left out.

    Args:
        model: ``config.model`` of a complete segment config.
        file: state dict of the whole network, under our names (which are mmsegmentation's), deeplab-pytorch's
            or torchvision's; relative to the project root.

    Returns:
        The network in evaluation mode, on the device that is there.

    Raises:
        ConfigError: the file is absent, holds no state dict, or that of another network or number of labels.
    """
    state_dict = load_weights(file, what="a trained network", setting=_SETTING)
    network: Any = build_network(model)
    plain = {name.removeprefix("module."): value for name, value in state_dict.items()}
    whose, renamed = _renamed(network, plain, file)
    own = network.state_dict()
    given = {ours: value for ours, value in renamed.values() if ours in own}
    left_out = [theirs for theirs, (ours, _) in renamed.items() if ours not in own]
    problems = {
        "missing": [name for name in own if name not in given and not name.endswith("num_batches_tracked")],
        "unknown": [name for name in left_out if not name.startswith(_AUXILIARY)],
        "of another shape": [name for name, value in given.items() if value.shape != own[name].shape],
    }
    found = [f"{len(names)} {what} ({names[0]})" for what, names in problems.items() if names]
    described = f"{type(network.decode_head).__name__} of {network.num_classes} labels"
    if found:
        raise ConfigError(
            f"expected a trained {described} by {whose} names in {file}, got entries {', '.join(found)}: "
            f"correct '{_SETTING}', or the network in the config"
        )
    network.load_state_dict(given, strict=False)
    logger.info(
        "%s: %d entries of %s loaded by %s names, left out: %s; nothing is trained",
        described,
        len(given),
        Path(file).name,
        whose,
        f"{len(left_out)} (first: {left_out[0]})" if left_out else "none",
    )
    return network


def _renamed(
    network: Any, state_dict: Mapping[str, Tensor], file: str | Path
) -> tuple[str, dict[str, tuple[str, Tensor]]]:
    """Whose names a file has, and for each of its entries our name and the tensor.

    An entry without a place here keeps its name.

    Raises:
        ConfigError: the names are those of a network that the config does not have.
    """
    backbone, head = network.backbone, network.decode_head
    is_cut = isinstance(backbone, CutBackbone)
    if "classifier.4.weight" in state_dict:
        if not (is_cut and isinstance(head, TorchvisionDeepLabV3Head)):
            raise _other_network("torchvision's DeepLabV3", file, "deeplabv3_r101_voc_torchvision.py")
        return "torchvision's", {
            name: (_of_torchvision(backbone, name, value), value) for name, value in state_dict.items()
        }
    if any(RELEASED_NAME.fullmatch(name) for name in state_dict):
        if not (is_cut and backbone.released and isinstance(head, DeepLabV2Head)):
            raise _other_network("deeplab-pytorch's DeepLabV2", file, "deeplabv2_r101_voc_released.py")
        return "deeplab-pytorch's", {
            name: _of_released(backbone, name, value) for name, value in state_dict.items()
        }
    return "our", {name: (name, value) for name, value in state_dict.items()}


def _other_network(what: str, file: str | Path, preset: str) -> ConfigError:
    return ConfigError(
        f"expected weights of the network in the config, got those of {what} in {file}: start from "
        f"configs/segment/{preset}"
    )


def _of_torchvision(backbone: CutBackbone, name: str, value: Tensor) -> str:
    """Our name of ``backbone.layer1.0.conv1.weight`` or ``classifier.0.convs.0.0.weight``."""
    part, _, rest = name.partition(".")
    if part == "classifier":
        return f"decode_head.layers.{rest}"
    return _of_library(backbone, rest, value) or name if part == "backbone" else name


def _of_released(backbone: CutBackbone, name: str, value: Tensor) -> tuple[str, Tensor]:
    """Our name of ``base.layer2.block1.reduce.conv.weight`` or ``base.aspp.c0.weight``, and the tensor.

    The first convolution is turned so that it reads RGB.
    """
    head = _RELEASED_HEAD.fullmatch(name)
    if head is not None:
        return f"decode_head.convs.{head[1]}.{head[2]}", value
    for library, turned in rename_released_keys({name: value}).items():
        return _of_library(backbone, library, value) or name, turned
    return name, value


def _of_library(backbone: CutBackbone, name: str, value: Tensor) -> str | None:
    """Our name of an entry under torchvision's; None where the backbone has no place for it."""
    known, _ = backbone.network.rename_library_keys({name: value})
    return next((f"backbone.network.{ours}" for ours in known), None)
