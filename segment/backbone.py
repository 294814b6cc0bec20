"""The project's cut backbones under mmsegmentation's roof, and weights of the released DeepLab networks."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from wsss.backbones import Backbone, build_backbone, freeze_batch_norm
from wsss.batches import share_batch_statistics
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import resolve_path
from wsss.weights import load_weights

# deeplab-pytorch's parts of a block -> numbers of torchvision's convolutions; its shortcut is "downsample".
_PARTS = {"reduce": 1, "conv3x3": 2, "increase": 3}
RELEASED_NAME = re.compile(
    r"(?:module\.|base\.)*layer([1-5])\.(?:conv1|block(\d+)\.(reduce|conv3x3|increase|shortcut))\.(conv|bn)\.(\w+)"
)


@MODELS.register_module()
class CutBackbone(BaseModule):
    """One of the project's backbones, as mmsegmentation's networks expect it."""

    def __init__(
        self,
        name: str,
        *,
        pretrained: str | Path | None = None,
        output_stride: int = 8,
        dilate: bool = True,
        freeze_norm: bool = True,
        released: bool = False,
    ) -> None:
        """Build the backbone; its weights are loaded at once.

        Args:
            name: as in `wsss.backbones.build_backbone`.
            pretrained: None for random weights, "imagenet", or the path of a state dict.
            output_stride: stride of the last feature.
            dilate: dilate what lost its stride.
            freeze_norm: batch norm keeps its statistics, weights and biases. Right for pretrained weights and
                small batches; from random weights it must be False, or nothing is learnt.
            released: build the network as DeepLab's authors did in Caffe, and read ``pretrained``, a file,
                with deeplab-pytorch's names. Such weights want images less their mean, with deviation 1.

        Raises:
            ConfigError: unknown name, or weights that do not fit.
        """
        super().__init__()
        self.released = released
        library = None if released else pretrained
        self.network = build_backbone(name, pretrained=library, output_stride=output_stride, dilate=dilate)
        if released:
            follow_released_networks(self.network)
            if pretrained is not None:
                load_released_weights(self.network, pretrained)
        self.freeze_norm = freeze_norm
        if not freeze_norm:
            share_batch_statistics(self.network, "train network")
        self.train()

    def init_weights(self) -> None:
        """Keep the weights: they were drawn or loaded when the backbone was built."""

    def train(self, mode: bool = True) -> "CutBackbone":
        """Switch to training or evaluation; frozen batch norm stays in evaluation."""
        super().train(mode)
        if self.freeze_norm:
            freeze_batch_norm(self)
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of all five levels.

        Args:
            image: (B, 3, H, W) float, normalized with the ImageNet mean and deviation.

        Returns:
            Five tensors; the last one is at stride ``output_stride``.
        """
        features: list[Tensor] = self.network(image)
        return features


def follow_released_networks(backbone: Backbone) -> None:
    """Change a dilated ResNet of torchvision into DeepLab's, in place; the parameters stay the same.

    A block that halves the resolution does so in its first 1x1 convolution, all blocks of a level have the
    same dilation, and the first pooling keeps a last odd row and column.

    Args:
        backbone: a resnet50 or resnet101.

    Raises:
        ConfigError: another backbone.

    Source: the released ``train.prototxt`` of DeepLabV2 on ResNet101.
    """
    levels: list[list[Any]] = [list(level.children()) for level in backbone.levels]
    if not all(isinstance(block, Bottleneck) for blocks in levels[1:] for block in blocks):
        raise ConfigError(
            f"expected resnet50 or resnet101 for released weights, got {backbone.name}: correct 'backbone'"
        )
    for pool in levels[0]:
        if isinstance(pool, nn.MaxPool2d):
            pool.ceil_mode = True
    for first, second, *_ in levels[1:]:
        if first.conv2.stride != (1, 1):
            first.conv1.stride, first.conv2.stride = first.conv2.stride, (1, 1)
        first.conv2.dilation, first.conv2.padding = second.conv2.dilation, second.conv2.padding


def load_released_weights(backbone: Backbone, path: str | Path) -> None:
    """Load the backbone of a checkpoint of deeplab-pytorch; its head, of other classes, is left out.

    Args:
        backbone: after `follow_released_networks`.
        path: file with a state dict of DeepLabV1 or V2, such as ``deeplabv1_resnet101-coco.pth``.

    Raises:
        ConfigError: the file is absent, is no state dict, or misses entries of the backbone.
    """
    file = resolve_path(path)
    state_dict = load_weights(file, what="weights of deeplab-pytorch", setting="pretrained")
    renamed, _ = backbone.rename_library_keys(rename_released_keys(state_dict))
    try:
        result = backbone.load_state_dict(renamed, strict=False)
    except RuntimeError as error:
        raise ConfigError(
            f"expected weights of {backbone.name} in {file}, got {str(error).splitlines()[-1].strip()}: "
            "give a checkpoint of the same network"
        ) from error
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"expected weights of {backbone.name} with deeplab-pytorch's names in {file}, but {len(missing)} "
            f"entries are missing (first: {missing[0]}): give a checkpoint of the same network"
        )
    left_out = [key for key in state_dict if RELEASED_NAME.fullmatch(key) is None]
    logger.info(
        "%s: %d entries of %s loaded into the backbone, left out: %s",
        backbone.name,
        len(renamed),
        file.name,
        f"{len(left_out)} (first: {left_out[0]}); the head starts from random weights"
        if left_out
        else "none",
    )


def rename_released_keys(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of deeplab-pytorch under torchvision's names; entries that are not the backbone's are left out.

    Its networks read BGR images; the first convolution is turned so that it reads RGB.

    Args:
        state_dict: entries such as ``layer2.block1.reduce.conv.weight``; a leading ``module.`` or ``base.``
            may be there.
    """
    renamed = {}
    for name, value in state_dict.items():
        found = RELEASED_NAME.fullmatch(name)
        if found is None:
            continue
        level, block, part, kind, entry = found.groups()
        layer = f"layer{int(level) - 1}.{int(block or 1) - 1}"
        if block is None:
            renamed[f"{kind}1.{entry}"] = value.flip(1) if kind == "conv" else value
        elif part == "shortcut":
            renamed[f"{layer}.downsample.{int(kind == 'bn')}.{entry}"] = value
        else:
            renamed[f"{layer}.{kind}{_PARTS[part]}.{entry}"] = value
    return renamed
