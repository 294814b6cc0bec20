"""Building a backbone by its name."""

from pathlib import Path

from wsss.backbones.cut import OUTPUT_STRIDES, Backbone, Cut
from wsss.backbones.downloads import downloading
from wsss.backbones.initial import load_backbone
from wsss.backbones.library import find_builder
from wsss.backbones.strides import limit_stride
from wsss.backbones.timm_names import PREFIX
from wsss.backbones.timm_networks import cut_timm
from wsss.errors import ConfigError


def build_backbone(
    name: str, *, pretrained: str | Path | None = None, output_stride: int = 16, dilate: bool = False
) -> Backbone:
    """Build a cut backbone by name.

    Args:
        name: resnet18, resnet34, resnet50, resnet101, mobilenet_v2, vgg16, inception_v3 (torchvision),
            mobilenetv1_100 (timm), plain8 (ours, for the demo), or timm:NAME for a network of timm
            (`wsss.backbones.timm_networks` says which of them, and how they are cut), or the name of
            an entry point ``wsss.backbones`` of an installed package.
        pretrained: None for random weights, "imagenet" for the library's own weights (downloaded once), or
            the path of a state dict: the library's names or those of a `Backbone` that a stage saved.
        output_stride: 8, 16 or 32, of the last level; the deepest levels lose their strides until it has it.
        dilate: dilate the convolutions whose strides were taken away, which keeps their field of view
            (DeepLab does; IRN and BAS do not).

    Returns:
        The backbone, in training mode.

    Raises:
        ConfigError: unknown name, an output stride that the network cannot have, weights that do not fit, or
            no connection to download them.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ConfigError(f"expected output_stride 8, 16 or 32, got {output_stride}: correct 'output_stride'")
    imagenet = pretrained == "imagenet"
    with downloading(name, pretrained):
        if name.startswith(PREFIX):
            cut = cut_timm(name, imagenet=imagenet, output_stride=output_stride, dilate=dilate)
        else:
            cut = _cut_by_name(name, imagenet=imagenet, output_stride=output_stride, dilate=dilate)
    backbone = Backbone(name, cut)
    if pretrained is not None and not imagenet:
        load_backbone(backbone, pretrained)
    return backbone


def _cut_by_name(name: str, *, imagenet: bool, output_stride: int, dilate: bool) -> Cut:
    """One of our own builders' networks, with the output stride asked for."""
    cut = find_builder(name)(imagenet)
    if output_stride > cut.strides[-1]:
        raise ConfigError(
            f"expected output_stride {cut.strides[-1]} or less for {name}, whose last level has no larger "
            f"one, got {output_stride}: correct 'output_stride'"
        )
    expected = tuple(min(stride, output_stride) for stride in cut.strides)
    found = limit_stride(cut.levels, output_stride, dilate=dilate)
    if found != expected:
        raise ConfigError(
            f"expected levels of {name} at strides {expected}, as it declares, got layers with {found}: "
            "correct its builder"
        )
    return Cut(cut.network, cut.levels, cut.channels, expected)
