"""The networks that have a name of their own here, and where each is cut."""

import difflib
import itertools
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from wsss.backbones.cut import Cut
from wsss.backbones.inception import cut_inception_v3
from wsss.errors import ConfigError

# Entry points of this group in installed packages are backbones too.
GROUP = "wsss.backbones"


def _resnet(name: str, *channels: int) -> Callable[[bool], Cut]:
    def build(imagenet: bool) -> Cut:
        from torchvision import models

        network: Any = models.get_model(name, weights="IMAGENET1K_V1" if imagenet else None)
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        levels = [stem, network.layer1, network.layer2, network.layer3, network.layer4]
        return Cut(network, levels, channels=channels, strides=(4, 4, 8, 16, 32))

    return build


def _mobilenet_v2(imagenet: bool) -> Cut:
    from torchvision import models

    network = models.mobilenet_v2(weights="IMAGENET1K_V1" if imagenet else None)
    cuts = (0, 2, 4, 7, 14, 19)
    blocks = list(network.features.children())
    levels = [nn.Sequential(*blocks[start:stop]) for start, stop in itertools.pairwise(cuts)]
    return Cut(network, levels, channels=(16, 24, 32, 96, 1280), strides=(2, 4, 8, 16, 32))


def _vgg16(imagenet: bool) -> Cut:
    from torchvision import models

    network = models.get_model("vgg16", weights="IMAGENET1K_V1" if imagenet else None)
    cuts = (0, 5, 10, 17, 24, 31)
    blocks = list(network.features.children())
    for block in blocks:
        if isinstance(block, nn.MaxPool2d):
            block.ceil_mode = True  # the last row or column of an odd size counts too
    levels = [nn.Sequential(*blocks[start:stop]) for start, stop in itertools.pairwise(cuts)]
    return Cut(network, levels, channels=(64, 128, 256, 512, 512), strides=(2, 4, 8, 16, 32))


def _mobilenetv1(imagenet: bool) -> Cut:
    import timm

    network: Any = timm.create_model("mobilenetv1_100", pretrained=imagenet, num_classes=0)
    stem = nn.Sequential(network.conv_stem, network.bn1, *network.blocks[0])
    levels = [stem, *network.blocks[1:]]
    return Cut(network, levels, channels=(64, 128, 256, 512, 1024), strides=(2, 4, 8, 16, 32))


def _plain8(imagenet: bool) -> Cut:
    """Eight convolutions with batch norm: learns from random weights within a minute on two CPU cores."""
    if imagenet:
        raise ConfigError("expected pretrained None or a file for plain8, got 'imagenet': there are none")

    def layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    levels = [
        nn.Sequential(layer(3, 16, 2), layer(16, 32, 2)),
        nn.Sequential(layer(32, 64, 1)),
        nn.Sequential(layer(64, 64, 2), layer(64, 96, 1)),
        nn.Sequential(layer(96, 128, 2), layer(128, 128, 1)),
        nn.Sequential(layer(128, 128, 1)),
    ]
    return Cut(nn.Sequential(*levels), levels, channels=(32, 64, 96, 128, 128), strides=(4, 4, 8, 16, 16))


_BASIC, _BOTTLENECK = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
# What builds each of them, with the library's ImageNet weights where it is told so. The strides are those of
# the whole network; `limit_stride` takes them away.
BUILT_IN: dict[str, Callable[[bool], Cut]] = {
    "resnet18": _resnet("resnet18", *_BASIC),
    "resnet34": _resnet("resnet34", *_BASIC),
    "resnet50": _resnet("resnet50", *_BOTTLENECK),
    "resnet101": _resnet("resnet101", *_BOTTLENECK),
    "mobilenet_v2": _mobilenet_v2,
    "vgg16": _vgg16,
    "inception_v3": cut_inception_v3,
    "mobilenetv1_100": _mobilenetv1,
    "plain8": _plain8,
}


def known_backbones() -> list[str]:
    """Names of the networks above and of those that installed packages bring, but for ``timm:NAME``."""
    return sorted({*BUILT_IN, *(one.name for one in entry_points(group=GROUP))})


def find_builder(name: str) -> Callable[[bool], Cut]:
    """The function that builds a network, with ImageNet weights or random ones, and says where it is cut.

    Raises:
        ConfigError: no network has the name (the nearest is given), two have it, or it cannot be imported.
    """
    found = [one for one in entry_points(group=GROUP) if one.name == name]
    if len(found) + (name in BUILT_IN) > 1:
        raise ConfigError(f"expected one backbone of the name {name!r}, got several: rename one in {GROUP}")
    if name in BUILT_IN:
        return BUILT_IN[name]
    if not found:
        close = difflib.get_close_matches(name, known_backbones(), n=1)
        meant = f"did you mean {close[0]!r}?" if close else "correct 'backbone'"
        raise ConfigError(
            f"expected a backbone out of {', '.join(known_backbones())} or timm:NAME, got {name!r}: {meant}"
        )
    try:
        builder: Callable[[bool], Cut] = found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"expected to import the backbone {name!r} from {found[0].value}, got {error}: "
            "correct the entry point"
        ) from error
    return builder
