"""Classification networks cut where BAS for localisation puts its generator.

They differ from `wsss.backbones`: features at the cut have stride 8 (28 x 28 of a 224 x 224 image), the
tail halves that once, and paddings are those of the authors' networks, on which published figures rest.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsss.backbones import build_backbone
from wsss.backbones.downloads import downloading
from wsss.errors import ConfigError
from wsss.paths import resolve_path

LIBRARY_NAMES = {
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "mobilenetv1": "mobilenetv1_100",
    "inception_v3": "inception_v3",
    "plain8": "plain8",
}


class LocalizationBackbone(nn.Module):
    """A network as the part before the generator and the part behind it.

    Attributes:
        name: vgg16, resnet50, mobilenetv1, inception_v3, or plain8 (ours, for the demo).
        extractor: (B, 3, H, W) -> (B, N, H / 8, W / 8), the features that the generator reads.
        tail: (B, N, h, w) -> (B, N', h / 2, w / 2), what the classifier reads; erased features pass it too.
        channels: (N, N').
    """

    def __init__(
        self, name: str, extractor: list[nn.Module], tail: list[nn.Module], channels: tuple[int, int]
    ) -> None:
        super().__init__()
        self.name = name
        self.extractor = nn.Sequential(*extractor)
        self.tail = nn.Sequential(*tail)
        self.channels = channels
        self._names: dict[str, str] = {}

    def learn_names(self, names: Mapping[str, Tensor]) -> None:
        """Remember under which names a library's or the authors' state dict holds this network's tensors."""
        ours = {id(tensor): name for name, tensor in self.state_dict(keep_vars=True).items()}
        self._names |= {name: ours[id(tensor)] for name, tensor in names.items() if id(tensor) in ours}

    def rename_library_keys(
        self, state_dict: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Split a state dict with others' names into ours and what the cut network does not hold.

        Args:
            state_dict: entries named as in torchvision; of mobilenetv1 as in timm's mobilenetv1_100 or as in
                the authors' ``model.<block>.<i>``. A leading ``module.`` is dropped.

        Returns:
            (entries under this module's names, entries with no place here such as ``fc.weight``).
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        known = {self._names[key]: value for key, value in plain.items() if key in self._names}
        rest = {key: value for key, value in plain.items() if key not in self._names}
        return known, rest

    def library_state_dict(self) -> dict[str, Tensor]:
        """Weights under the library's names (of mobilenetv1 timm's), for networks that are cut elsewhere."""
        theirs = {ours: name for name, ours in self._names.items()}  # the names learned last win
        return {theirs[name]: value for name, value in self.state_dict().items()}


def build_localization_backbone(name: str, *, pretrained: str | Path | None = None) -> LocalizationBackbone:
    """Build a cut network by name.

    Args:
        name: vgg16, resnet50, mobilenetv1, inception_v3 or plain8.
        pretrained: None for random weights, "imagenet" for the library's own (torchvision's IMAGENET1K_V1,
            timm's mobilenetv1_100; downloaded once), or the path of a state dict: the names of
            `LocalizationBackbone.rename_library_keys`, or ours.

    Returns:
        The network, in training mode.

    Raises:
        ConfigError: unknown name, or weights that do not fit.

    Source: Wu et al., CVPR 2022, and Zhai et al., IJCV 2023: the authors' code. Their ImageNet weights for
    MobileNetV1 are another file than timm's. timm's network cuts activations off at 6, theirs (so ours) does
    not: with timm's weights the features of VOC images start 44 % away from timm's own (cosine .91).
    """
    if name not in _BUILDERS:
        raise ConfigError(
            f"expected a backbone out of {', '.join(_BUILDERS)}, got {name!r}: correct 'backbone'"
        )
    backbone = _BUILDERS[name]()
    if pretrained == "imagenet":
        with downloading(LIBRARY_NAMES[name], pretrained):
            weights = _imagenet_weights(name)
        load_weights(backbone, weights, source=f"ImageNet weights of {name}")
    elif pretrained is not None:
        load_weights(backbone, _read_state_dict(pretrained), source=str(resolve_path(pretrained)))
    return backbone


def load_weights(backbone: LocalizationBackbone, state_dict: Mapping[str, Tensor], *, source: str) -> None:
    """Fill a cut network; entries of a classifier are ignored.

    Args:
        backbone: the network to fill.
        state_dict: as ``pretrained`` of `build_localization_backbone`.
        source: what errors call it.

    Raises:
        ConfigError: entries are missing or have other shapes.
    """
    renamed, rest = backbone.rename_library_keys(state_dict)
    own = backbone.state_dict()
    given = renamed or {key: value for key, value in rest.items() if key in own}
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"expected weights of {backbone.name} in {source}, but {len(missing)} of {len(own)} entries are "
            f"missing (first: {missing[0]}): give the state dict of the same network"
        )
    check_shapes(given, own, source=source)
    backbone.load_state_dict(given, strict=False)


def check_shapes(given: Mapping[str, Tensor], own: Mapping[str, Tensor], *, source: str) -> None:
    """Compare the shapes of entries of the same names.

    Raises:
        ConfigError: one differs.
    """
    for key, value in given.items():
        if value.shape != own[key].shape:
            raise ConfigError(
                f"expected {key} of shape {tuple(own[key].shape)}, got {tuple(value.shape)} in {source}: "
                "give the state dict of the same network and class count"
            )


def _read_state_dict(path: str | Path) -> dict[str, Tensor]:
    file = resolve_path(path)
    if not file.is_file():
        raise ConfigError(
            f"expected backbone weights at {file}, found no file: correct 'pretrained' or put it there"
        )
    try:
        state_dict: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(f"expected a PyTorch state dict in {file}, got: {error}".splitlines()[0]) from error
    return state_dict


def _imagenet_weights(name: str) -> dict[str, Tensor]:
    if name == "plain8":
        raise ConfigError("expected pretrained None or a file for plain8, got 'imagenet': there are none")
    if name == "mobilenetv1":
        import timm

        weights: dict[str, Tensor] = timm.create_model(LIBRARY_NAMES[name], pretrained=True).state_dict()
        return weights
    from torchvision import models

    return models.get_model(LIBRARY_NAMES[name], weights="IMAGENET1K_V1").state_dict()


_VGG_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_VGG_CUT = 23  # layers up to the fourth stage's last ReLU


def _vgg16() -> LocalizationBackbone:
    """Cut after relu4_3; the tail keeps pool4 and drops pool5, so its grid is the half, not the quarter.

    Built here and not by torchvision, whose network brings 120 million weights of a classifier along.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for widths in _VGG_STAGES:
        for outputs in widths:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    backbone = LocalizationBackbone("vgg16", layers[:_VGG_CUT], layers[_VGG_CUT:-1], (512, 512))
    library = nn.ModuleDict({"features": nn.Sequential(*layers)})
    backbone.learn_names(library.state_dict(keep_vars=True))
    return backbone


def _resnet50() -> LocalizationBackbone:
    """Cut after layer3, which loses its stride; layer4 loses it too, to a max-pool before it."""
    from torchvision import models

    network: Any = models.get_model("resnet50", weights=None)
    for layer in (network.layer3, network.layer4):
        layer[0].conv2.stride = (1, 1)
        layer[0].downsample[0].stride = (1, 1)
    stem = [network.conv1, network.bn1, network.relu, network.maxpool]
    extractor = [*stem, network.layer1, network.layer2, network.layer3]
    backbone = LocalizationBackbone("resnet50", extractor, [nn.MaxPool2d(2), network.layer4], (1024, 2048))
    backbone.learn_names(network.state_dict(keep_vars=True))
    return backbone


_MOBILENET_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
# Of all fourteen blocks; the seventh has 2 in the library. Behind the twelfth comes the cut.
_MOBILENET_STRIDES = (2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1)
_MOBILENET_CUT = 12
_TIMM_STAGES = (1, 2, 2, 6, 2)


def _mobilenetv1() -> LocalizationBackbone:
    """Fourteen blocks: a convolution, then pairs of a depthwise and a 1x1 convolution."""
    first = nn.Conv2d(3, 32, 3, _MOBILENET_STRIDES[0], 1, bias=False)
    blocks: list[nn.Module] = [nn.Sequential(first, nn.BatchNorm2d(32), nn.ReLU(inplace=True))]
    pairs = zip(itertools.pairwise(_MOBILENET_CHANNELS), _MOBILENET_STRIDES[1:], strict=True)
    blocks += [_depthwise_block(inputs, outputs, stride) for (inputs, outputs), stride in pairs]
    backbone = LocalizationBackbone(
        "mobilenetv1", blocks[:_MOBILENET_CUT], blocks[_MOBILENET_CUT:], (512, 1024)
    )
    authors = nn.ModuleDict({"model": nn.Sequential(*blocks)}).state_dict(keep_vars=True)
    backbone.learn_names(authors)
    prefixes = dict(_timm_prefixes())
    backbone.learn_names(
        {
            f"{prefixes[prefix]}.{entry}": tensor
            for (prefix, entry), tensor in ((name.rsplit(".", 1), tensor) for name, tensor in authors.items())
        }
    )
    return backbone


def _depthwise_block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _timm_prefixes() -> Iterator[tuple[str, str]]:
    """The authors' name of each layer with weights, and timm's."""
    yield from (("model.0.0", "conv_stem"), ("model.0.1", "bn1"))
    places = [(stage, index) for stage, count in enumerate(_TIMM_STAGES) for index in range(count)]
    for block, (stage, index) in enumerate(places, start=1):
        for position, layer in ((0, "conv_dw"), (1, "bn1"), (3, "conv_pw"), (4, "bn2")):
            yield f"model.{block}.{position}", f"blocks.{stage}.{index}.{layer}"


def _inception_v3() -> LocalizationBackbone:
    """Cut after Mixed_6e, with Mixed_6a at stride 1.

    Images come with the ImageNet mean and deviation, as the authors give them, though torchvision's weights
    were trained on values in [-1, 1].
    """
    from torchvision import models

    # Random weights need none of the library's slow own initialisation: batch norm follows each convolution.
    network: Any = models.get_model("inception_v3", weights=None, init_weights=False, aux_logits=False)
    network.Conv2d_1a_3x3.conv.padding = (1, 1)
    mixed_6a, mixed_7a = network.Mixed_6a, network.Mixed_7a
    dense_6a = [mixed_6a.branch3x3dbl_1, mixed_6a.branch3x3dbl_2, mixed_6a.branch3x3dbl_3]
    wide_7a = [getattr(mixed_7a, f"branch7x7x3_{number}") for number in (1, 2, 3, 4)]
    extractor = [
        network.Conv2d_1a_3x3,
        network.Conv2d_2a_3x3,
        network.Conv2d_2b_3x3,
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        network.Conv2d_3b_1x1,
        network.Conv2d_4a_3x3,
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        *(network.Mixed_5b, network.Mixed_5c, network.Mixed_5d),
        _Reduction([[mixed_6a.branch3x3], dense_6a], stride=1),
        *(network.Mixed_6b, network.Mixed_6c, network.Mixed_6d, network.Mixed_6e),
    ]
    reduction = _Reduction([[mixed_7a.branch3x3_1, mixed_7a.branch3x3_2], wide_7a], stride=2)
    tail = [reduction, network.Mixed_7b, network.Mixed_7c]
    backbone = LocalizationBackbone("inception_v3", extractor, tail, (768, 2048))
    backbone.learn_names(network.state_dict(keep_vars=True))
    return backbone


class _Reduction(nn.Module):
    """Inception's Mixed_6a and 7a with padding: branches side by side, each ending with the stride."""

    def __init__(self, branches: list[list[Any]], *, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*layers) for layers in branches)
        for layers in branches:
            layers[-1].conv.stride, layers[-1].conv.padding = (stride, stride), (1, 1)
        self.pool = nn.MaxPool2d(3, stride, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, h, w) -> (B, M, ceil(h / stride), ceil(w / stride))."""
        return torch.cat([*(branch(features) for branch in self.branches), self.pool(features)], dim=1)


def _plain8() -> LocalizationBackbone:
    """The demo's small network; cut at stride 8, as the others are."""
    levels = build_backbone("plain8").levels
    backbone = LocalizationBackbone("plain8", [*levels[:3]], [*levels[3:]], (96, 128))
    backbone.learn_names(levels.state_dict(keep_vars=True))
    return backbone


_BUILDERS: dict[str, Callable[[], LocalizationBackbone]] = {
    "vgg16": _vgg16,
    "resnet50": _resnet50,
    "mobilenetv1": _mobilenetv1,
    "inception_v3": _inception_v3,
    "plain8": _plain8,
}
