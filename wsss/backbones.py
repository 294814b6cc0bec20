"""Backbones cut into five levels, so that every stage can attach its heads where it needs them."""

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD
from wsss.paths import resolve_path
from wsss.weights import load_weights, sha256_of

LEVELS = 5
# What batch norm does in a training: all of it learns, its statistics stay, or all of it stays.
BatchNormMode = Literal["train", "fixed_statistics", "fixed"]


class Backbone(nn.Module):
    """A classification network without its classifier, as five levels of falling resolution.

    Attributes:
        name: the network's name in the library it comes from.
        levels: five modules; level 0 is the stem, level 4 the deepest.
        channels: output channels of each level.
        strides: output stride of each level, in pixels of the image.
    """

    def __init__(self, name: str, network: nn.Module, levels: list[nn.Sequential]) -> None:
        super().__init__()
        self.name = name
        self.levels = nn.ModuleList(levels)
        self._names = _library_names(network, self)
        self.channels, self.strides = _measure(self.levels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of all five levels.

        Args:
            image: (B, 3, H, W) float, normalized with the ImageNet mean and deviation.

        Returns:
            Five tensors (B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])).
        """
        features = []
        for level in self.levels:
            image = level(image)
            features.append(image)
        return features

    def rename_library_keys(
        self, state_dict: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Split a state dict with the library's names into ours and what the cut network does not hold.

        Args:
            state_dict: entries named as in torchvision or timm (``layer1.0.conv1.weight``).

        Returns:
            (entries under this module's names, entries with no place here such as ``fc.weight``).
        """
        known = {self._names[key]: value for key, value in state_dict.items() if key in self._names}
        rest = {key: value for key, value in state_dict.items() if key not in self._names}
        return known, rest


def build_backbone(
    name: str, *, pretrained: str | Path | None = None, output_stride: int = 16, dilate: bool = False
) -> Backbone:
    """Build a cut backbone by name.

    Args:
        name: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vgg16, inception_v3 (torchvision),
            mobilenetv1_100 (timm) or plain8 (ours, for the demo).
        pretrained: None for random weights, "imagenet" for the library's own weights (downloaded once), or
            the path of a state dict: the library's names or those of a `Backbone` that a stage saved.
        output_stride: 8, 16 or 32; the deepest levels lose their strides until the last one has it.
        dilate: dilate the convolutions whose strides were taken away, which keeps their field of view
            (DeepLab does; IRN and BAS do not).

    Returns:
        The backbone, in training mode.

    Raises:
        ConfigError: unknown name or output stride, or weights that do not fit.
    """
    if name not in _BUILDERS:
        raise ConfigError(
            f"expected a backbone out of {', '.join(_BUILDERS)}, got {name!r}: correct 'backbone'"
        )
    if output_stride not in (8, 16, 32):
        raise ConfigError(f"expected output_stride 8, 16 or 32, got {output_stride}: correct 'output_stride'")
    network, levels = _BUILDERS[name](pretrained == "imagenet")
    _limit_stride(levels, output_stride, dilate)
    backbone = Backbone(name, network, levels)
    if pretrained is not None and pretrained != "imagenet":
        load_backbone(backbone, pretrained)
    return backbone


def load_backbone(backbone: Backbone, path: str | Path) -> None:
    """Load a local state dict into a cut backbone.

    Args:
        backbone: the network to fill.
        path: file with a state dict, in the library's names or in ours. Entries of a classifier are ignored.

    Raises:
        ConfigError: the file is absent, is no state dict, or misses entries of the backbone.
    """
    file = resolve_path(path)
    state_dict = load_weights(file, what="backbone weights", setting="pretrained")
    renamed, _ = backbone.rename_library_keys(state_dict)
    result = backbone.load_state_dict(renamed or state_dict, strict=False)
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"expected weights of {backbone.name} in {file}, but {len(missing)} entries are missing "
            f"(first: {missing[0]}): give the state dict of the same network"
        )


def weights_sha256(pretrained: str | Path | None) -> str:
    """Name the initial weights for a manifest: "random", "imagenet" or the SHA-256 of the local file."""
    if pretrained is None:
        return "random"
    if pretrained == "imagenet":
        return "imagenet"
    return sha256_of(pretrained, what="backbone weights", setting="pretrained")


def freeze_batch_norm(module: nn.Module, *, affine: bool = True) -> None:
    """Put every batch norm into evaluation mode; call after each ``train()``.

    Args:
        module: holds the batch norms.
        affine: stop the gradients of their weights and biases too. False: these are trained as before, on
            statistics that stay.
    """
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            child.eval()
            for parameter in child.parameters() if affine else ():
                parameter.requires_grad_(False)


def _library_names(network: nn.Module, backbone: nn.Module) -> dict[str, str]:
    """Map the library's state-dict names to ours: both name the same tensors."""
    ours = {id(tensor): name for name, tensor in backbone.state_dict(keep_vars=True).items()}
    theirs = network.state_dict(keep_vars=True)
    return {name: ours[id(tensor)] for name, tensor in theirs.items() if id(tensor) in ours}


@torch.no_grad()
def _measure(levels: nn.ModuleList) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and strides of the levels, read off a blank image."""
    training = levels.training
    levels.eval()
    feature = torch.zeros(1, 3, 64, 64)
    channels, strides = [], []
    for level in levels:
        feature = level(feature)
        channels.append(feature.shape[1])
        strides.append(64 // feature.shape[2])
    levels.train(training)
    return tuple(channels), tuple(strides)


def _limit_stride(levels: list[nn.Sequential], output_stride: int, dilate: bool) -> None:
    """Take away strides beyond the output stride, in place.

    A strided convolution that loses its stride keeps its own dilation (it sees the old grid); those after it
    are dilated by the lost factor, as in DeepLab.
    """
    stride, lost = 1, 1
    for level in levels:
        blocks = list(level.children())
        for block in blocks:
            block_stride = _stride_of(block)
            keep = min(block_stride, max(output_stride // stride, 1))
            dropped = block_stride // keep
            stride *= keep
            if dropped > 1:
                _drop_stride(block)
            if dilate and lost * dropped > 1:
                _dilate(block, before=lost, after=lost * dropped)
            lost *= dropped


def _stride_of(block: nn.Module) -> int:
    """Stride of a block along its main path (shortcut convolutions repeat it)."""
    if isinstance(block, _Reduction):
        return _stride_of(block.pool)
    if isinstance(block, nn.MaxPool2d):
        return block.stride if isinstance(block.stride, int) else block.stride[0]
    skip = {
        id(module)
        for name, child in block.named_modules()
        if name == "downsample"
        for module in child.modules()
    }
    strides = [m.stride[0] for m in block.modules() if isinstance(m, nn.Conv2d) and id(m) not in skip]
    return math.prod(int(stride) for stride in strides)


def _drop_stride(block: nn.Module) -> None:
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
        elif isinstance(module, nn.MaxPool2d):
            # Only an odd window has a middle: VGG's 2 x 2 become 3 x 3, as in DeepLab's VGG.
            side = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
            size = side // 2 * 2 + 1
            module.stride, module.kernel_size, module.padding = 1, size, size // 2


def _dilate(block: nn.Module, *, before: int, after: int) -> None:
    """Dilate a block's spatial convolutions: ``before`` up to the dropped stride, ``after`` beyond it."""
    spatial = [m for m in block.modules() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1]
    for index, module in enumerate(spatial):
        # Each branch of a reduction ends with its stride, other blocks begin with it.
        is_before = after > before and (index == 0 or isinstance(block, _Reduction))
        dilation = before if is_before else after
        height, width = module.kernel_size
        module.dilation = (dilation, dilation)
        module.padding = (dilation * (height - 1) // 2, dilation * (width - 1) // 2)


def _resnet(name: str) -> Callable[[bool], tuple[nn.Module, list[nn.Sequential]]]:
    def build(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
        from torchvision import models

        network: Any = models.get_model(name, weights="IMAGENET1K_V1" if imagenet else None)
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        return network, [stem, network.layer1, network.layer2, network.layer3, network.layer4]

    return build


def _mobilenet_v2(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
    from torchvision import models

    network = models.mobilenet_v2(weights="IMAGENET1K_V1" if imagenet else None)
    cuts = (0, 2, 4, 7, 14, 19)
    blocks = list(network.features.children())
    return network, [nn.Sequential(*blocks[start:stop]) for start, stop in itertools.pairwise(cuts)]


def _vgg16(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
    from torchvision import models

    network = models.get_model("vgg16", weights="IMAGENET1K_V1" if imagenet else None)
    cuts = (0, 5, 10, 17, 24, 31)
    blocks = list(network.features.children())
    for block in blocks:
        if isinstance(block, nn.MaxPool2d):
            block.ceil_mode = True  # the last row or column of an odd size counts too
    return network, [nn.Sequential(*blocks[start:stop]) for start, stop in itertools.pairwise(cuts)]


def _inception_v3(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
    """Inception v3 with zero padding throughout.

    The library's stem and reductions are not padded: their grids shrink by up to two cells a layer, start
    inside the image, and small images leave none. Padded, every level has the grid of the other backbones;
    weights stay the same, features differ at the borders and by the grid's phase.
    """
    from torchvision import models

    # Random weights need none of the library's slow own initialisation: batch norm follows each convolution.
    options: dict[str, Any] = (
        {"weights": "IMAGENET1K_V1"} if imagenet else {"init_weights": False, "aux_logits": False}
    )
    network: Any = models.get_model("inception_v3", **options)
    for layer in (network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_4a_3x3):
        layer.conv.padding = (1, 1)
    mixed_6a, mixed_7a = network.Mixed_6a, network.Mixed_7a
    dense_6a = [mixed_6a.branch3x3dbl_1, mixed_6a.branch3x3dbl_2, mixed_6a.branch3x3dbl_3]
    wide_7a = [getattr(mixed_7a, f"branch7x7x3_{number}") for number in (1, 2, 3, 4)]
    first = _Reduction([[mixed_6a.branch3x3], dense_6a])
    second = _Reduction([[mixed_7a.branch3x3_1, mixed_7a.branch3x3_2], wide_7a])
    pools = [nn.MaxPool2d(3, 2, 1) for _ in range(2)]
    return network, [
        nn.Sequential(_HalfRange(), network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_2b_3x3),
        nn.Sequential(pools[0], network.Conv2d_3b_1x1, network.Conv2d_4a_3x3),
        nn.Sequential(pools[1], network.Mixed_5b, network.Mixed_5c, network.Mixed_5d),
        nn.Sequential(first, network.Mixed_6b, network.Mixed_6c, network.Mixed_6d, network.Mixed_6e),
        nn.Sequential(second, network.Mixed_7b, network.Mixed_7c),
    ]


class _HalfRange(nn.Module):
    """What the weights of Inception expect: values in [-1, 1] instead of ImageNet's mean and deviation."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W), normalized with the ImageNet mean and deviation -> (B, 3, H, W) in [-1, 1]."""
        mean = image.new_tensor(IMAGENET_MEAN)[:, None, None]
        deviation = image.new_tensor(IMAGENET_STD)[:, None, None]
        return (image * deviation + mean) * 2 - 1


class _Reduction(nn.Module):
    """Branches side by side that end with a stride of 2, and a max-pool: Inception's Mixed_6a and 7a."""

    def __init__(self, branches: list[list[Any]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*layers) for layers in branches)
        for layers in branches:
            layers[-1].conv.padding = (1, 1)
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, h, w) -> (B, M, ceil(h / 2), ceil(w / 2))."""
        return torch.cat([*(branch(features) for branch in self.branches), self.pool(features)], dim=1)


def _mobilenetv1(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
    import timm

    network: Any = timm.create_model("mobilenetv1_100", pretrained=imagenet, num_classes=0)
    stem = nn.Sequential(network.conv_stem, network.bn1, *network.blocks[0])
    return network, [stem, *network.blocks[1:]]


def _plain8(imagenet: bool) -> tuple[nn.Module, list[nn.Sequential]]:
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
    return nn.Sequential(*levels), levels


_BUILDERS: dict[str, Callable[[bool], tuple[nn.Module, list[nn.Sequential]]]] = {
    **{name: _resnet(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101")},
    "mobilenet_v2": _mobilenet_v2,
    "vgg16": _vgg16,
    "inception_v3": _inception_v3,
    "mobilenetv1_100": _mobilenetv1,
    "plain8": _plain8,
}
