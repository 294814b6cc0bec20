"""Networks of timm by the name timm:NAME: which of them, and how they are cut into five levels.

NAME is one that ``timm.list_models()`` shows, with or without a tag (``resnet50.a1_in1k``).

Convolutional networks and window transformers are cut behind the features that timm declares:

- five features (strides 2, 4, 8, 16, 32 in most networks): one level each; of six, the first two are joined;
- four (4, 8, 16, 32): level 0 is what comes before the first, the stem.

Plain vision transformers have one stride throughout: level 0 is the patches with their positions, levels 1 to
4 are a quarter of the blocks each. Class and register tokens are left out: a level maps a map to a map, and
BAS erases parts of a map, of which such a token would still know.

The last level ends as timm's ``forward_features`` does, behind a last convolution or norm where there is one.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wsss.backbones.cut import LEVELS, OUTPUT_STRIDES, Cut
from wsss.backbones.timm_levels import (
    BlocksLevel,
    Level,
    PatchLevel,
    Renormalize,
    pad_behind,
    spread_pairs,
)
from wsss.backbones.timm_names import (
    CHAINS,
    PREFIX,
    TOKENS,
    WINDOWS,
    entry_of,
    kind_of,
    refusal,
    stride_refusal,
)
from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD

# Their networks have no option for the output stride, but timm's form of them for features has it; what that
# form lacks lies behind the pooling.
_FEATURES_ONLY = frozenset(("mobilenetv3", "hardcorenas"))
# Their stem gives (B, h, w, N), their stages take and give (B, N, h, w), the first (B, h, w, N).
_CHANNELS_LAST_STEMS = frozenset(("pvt_v2",))
# Children of a network from which on it is a classifier.
_CLASSIFIERS = frozenset(
    """
    classifier fc fc_norm final_layer flatten global_pool head head_dist head_drop heads last_linear
    pre_logits
    """.split()  # noqa: SIM905
)
# No side is divided by 2; behind each halving the last row and column stand alone.
_ODD_SIZE = (33, 65)


def cut_timm(name: str, *, imagenet: bool, output_stride: int, dilate: bool) -> Cut:
    """Build a network of timm and cut it into five levels.

    Args:
        name: with the prefix.
        imagenet: load timm's own pretrained weights.
        output_stride: 8, 16 or 32, of the last level.
        dilate: dilate what follows a lost stride.

    Raises:
        ConfigError: timm has no such network, or it cannot be cut, or cannot have the output stride.
    """
    plain = name.removeprefix(PREFIX)
    entry = entry_of(plain)
    kind = kind_of(plain)
    if kind in TOKENS:
        cut = _cut_tokens(name, imagenet=imagenet, output_stride=output_stride)
    elif kind in WINDOWS:
        cut = _cut_windows(name, kind, imagenet=imagenet, output_stride=output_stride, dilate=dilate)
    elif kind in CHAINS:
        network = _convolutions(name, imagenet=imagenet, output_stride=output_stride, dilate=dilate)
        cut = _cut_chain(name, kind, network, output_stride)
    else:
        raise refusal(
            name,
            f"timm's {kind} is not made of parts that follow each other on any grid",
        )
    if entry is None:
        return cut
    return dataclasses.replace(cut, levels=[_with_own_mean(cut.levels[0], entry), *cut.levels[1:]])


def _create(name: str, *, imagenet: bool = False, **options: Any) -> Any:
    import timm

    plain = name.removeprefix(PREFIX)
    form = {"features_only": True} if kind_of(plain) in _FEATURES_ONLY else {"num_classes": 0}
    return timm.create_model(plain, pretrained=imagenet, **form, **options)


def _with_own_mean(level: nn.Module, entry: Any) -> nn.Module:
    """Give the first level images as the network's weights expect them."""
    mean, deviation = tuple(entry.mean), tuple(entry.std)
    if (mean, deviation) == (IMAGENET_MEAN, IMAGENET_STD):
        return level
    return nn.Sequential(Renormalize(mean, deviation), level)


def _cut_tokens(name: str, *, imagenet: bool, output_stride: int) -> Cut:
    """A plain vision transformer: patches, and the blocks in four parts."""
    with torch.device("meta"):
        patch = _create(name).patch_embed.patch_size
    stride = 1 << (max(patch) - 1).bit_length()
    if patch[0] != patch[1] or stride != output_stride:
        raise stride_refusal(name, output_stride, f"{stride} (patches of {patch[0]} x {patch[1]} pixels)")
    network = _create(name, imagenet=imagenet, dynamic_img_size=True)
    rope = getattr(network, "rope", None)
    if rope is not None and rope.state_dict():
        raise refusal(name, "its blocks learn a rotation of positions each")
    if not hasattr(network.patch_embed, "proj"):
        raise refusal(name, "its patches come from a network of their own")
    count = len(network.blocks)
    if count < LEVELS - 1:
        raise refusal(name, f"it has {count} blocks")
    for module in network.blocks.modules():
        if hasattr(module, "num_prefix_tokens"):
            module.num_prefix_tokens = 0  # all tokens are cells: each is rotated
    bounds = [round(count * part / (LEVELS - 1)) for part in range(LEVELS)]
    levels: list[nn.Module] = [PatchLevel(network, stride=stride)]
    for start, stop in itertools.pairwise(bounds):
        norm = network.norm if stop == count else nn.Identity()
        levels.append(BlocksLevel(network.blocks[start:stop], rope=rope, norm=norm))
    return Cut(network, levels, channels=(network.embed_dim,) * LEVELS, strides=(stride,) * LEVELS)


def _cut_windows(name: str, kind: str, *, imagenet: bool, output_stride: int, dilate: bool) -> Cut:
    """A transformer with windows; a stage loses its stride by merging around each cell."""
    options = {"strict_img_size": False}
    if kind == "swin_transformer":
        # Windows move on small grids too, as the authors' networks for dense prediction do.
        options["always_partition"] = True
    network = _create(name, imagenet=imagenet, **options)
    features = _features(network)
    strides = [feature["reduction"] for feature in features]
    if strides[-1] < output_stride:
        raise stride_refusal(name, output_stride, f"{strides[-1]} or less")
    if dilate and strides[-1] > output_stride:
        raise ConfigError(
            f"expected dilate=False for {name} with output_stride={output_stride}, got True: windows cannot "
            "be dilated"
        )
    for feature, stride in zip(features, strides, strict=True):
        if stride > output_stride:
            network.get_submodule(feature["module"]).downsample.register_forward_pre_hook(spread_pairs)
    return _cut_chain(name, kind, network, output_stride)


def _convolutions(name: str, *, imagenet: bool, output_stride: int, dilate: bool) -> Any:
    """A convolutional network with the output stride asked for.

    timm dilates what it takes a stride from; where no dilation is wanted it is taken back.
    """
    with torch.device("meta"):
        whole = _create(name)
    stride = max(int(feature["reduction"]) for feature in _features(whole))
    if stride > max(OUTPUT_STRIDES):
        raise refusal(name, f"its last level has stride {stride}")
    if stride < output_stride:
        raise stride_refusal(name, output_stride, f"{stride} or less")
    if stride == output_stride:
        return _create(name, imagenet=imagenet)
    try:
        with torch.device("meta"):
            _create(name, output_stride=output_stride)
    # timm has no one way to say that a network has no such option.
    except (TypeError, AssertionError, NotImplementedError, ValueError) as error:
        raise stride_refusal(name, output_stride, f"{stride} (timm has no other)") from error
    network = _create(name, imagenet=imagenet, output_stride=output_stride)
    if not dilate:
        _undilate(network, whole)
    return network


def _undilate(network: nn.Module, whole: nn.Module) -> None:
    """Give convolutions the dilation that they have in the whole network, in place."""
    convolutions = {name: one for name, one in whole.named_modules() if isinstance(one, nn.Conv2d)}
    for name, one in network.named_modules():
        native = convolutions.get(name)
        if not isinstance(one, nn.Conv2d) or native is None or one.dilation == native.dilation:
            continue
        one.dilation = native.dilation
        if type(one) is type(native):  # else it pads by itself, as its dilation asks for
            one.padding = native.padding
            one.register_forward_pre_hook(pad_behind)


def _features(network: Any) -> list[dict[str, Any]]:
    """What timm declares of the features that end a level: ``module``, ``num_chs``, ``reduction``."""
    info = network.feature_info
    entries = list(getattr(info, "info", info))
    return [entry for entry in entries if entry["module"]][-LEVELS:]


def _cut_chain(name: str, kind: str, network: Any, output_stride: int) -> Cut:
    """Cut a network that is a chain of modules behind the features that timm declares."""
    features = _features(network)
    if len(features) < LEVELS - 1:
        raise refusal(name, f"it has {len(features)} features")
    chain = _chain(network, [feature["module"] for feature in features])
    names = [one for one, _ in chain]
    if not all(feature["module"] in names for feature in features):
        raise refusal(name, "timm takes its features from inside of modules")
    ends = [names.index(feature["module"]) + 1 for feature in features]
    ends[-1] = len(chain)
    strides = [min(int(feature["reduction"]), output_stride) for feature in features]
    if len(features) < LEVELS:
        ends = [names.index(features[0]["module"]), *ends]
        stem = nn.Sequential(*(module for _, module in chain[: ends[0]]))
        strides = [_measured_stride(stem), *strides]
    if strides[-1] != output_stride:
        raise stride_refusal(name, output_stride, str(strides[-1]))
    last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    stem_last = last or kind in _CHANNELS_LAST_STEMS
    levels = [
        Level(
            (module for _, module in chain[start:stop]),
            stride=stride // before,
            reads_channels_last=stem_last if start == ends[0] else last and start > 0,
            writes_channels_last=stem_last if start == 0 else last,
        )
        for start, stop, before, stride in zip(
            [0, *ends[:-1]], ends, [1, *strides[:-1]], strides, strict=True
        )
    ]
    channels = _fit_to_odd_sizes(name, levels)
    return Cut(network, levels, channels=channels, strides=tuple(strides))


def _chain(network: nn.Module, features: Sequence[str]) -> list[tuple[str, nn.Module]]:
    """The modules of a network in the order in which an image passes them, up to the classifier.

    Args:
        network: timm's, whose modules are registered in that order.
        features: names of modules that have to be among them.

    Returns:
        Pairs of a name and a module.
    """

    def open_up(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
        holds_features = any(feature.startswith(f"{name}.") for feature in features)
        opens = isinstance(module, nn.ModuleList) or (holds_features and isinstance(module, nn.Sequential))
        if not opens:
            return [(name, module)]
        return [pair for part, child in module.named_children() for pair in open_up(f"{name}.{part}", child)]

    chain: list[tuple[str, nn.Module]] = []
    for name, module in network.named_children():
        if name in _CLASSIFIERS:
            break
        chain += open_up(name, module)
    return chain


@torch.no_grad()
def _measured_stride(stem: nn.Module) -> int:
    """Stride of the layers before the first stage, of which timm declares nothing."""
    image = torch.zeros(1, 3, 64, 64, device=next(stem.parameters()).device)
    # The second side, too, where channels are the last dimension.
    return 64 // int(_in_evaluation(stem, image).shape[2])


@torch.no_grad()
def _fit_to_odd_sizes(name: str, levels: Sequence[Level]) -> tuple[int, ...]:
    """Let levels fill up the grids that they would cut off, in place.

    Returns:
        Channels of the levels.

    Raises:
        ConfigError: a level has another stride than declared, or does not take what the last one gives.
    """
    features = torch.zeros(1, 3, *_ODD_SIZE, device=next(levels[0].parameters()).device)
    channels = []
    for level in levels:
        size = tuple(-(-side // level.stride) for side in features.shape[2:])
        for level.pads in (False, True):
            try:
                found = _in_evaluation(level, features)
            # Grids that do not fit fail in a network's own way.
            except (RuntimeError, AssertionError, ValueError, TypeError) as error:
                problem = str(error).strip().partition("\n")[0] or type(error).__name__
            else:
                problem = f"a grid of {tuple(found.shape[2:])} cells where {size} were expected"
                if found.ndim == 4 and tuple(found.shape[2:]) == size:
                    break
        else:
            raise refusal(name, f"its modules do not follow each other on any grid ({problem})")
        features = found
        channels.append(int(features.shape[1]))
    return tuple(channels)


def _in_evaluation(module: nn.Module, features: Tensor) -> Tensor:
    """What a module gives without training its batch norms' statistics; the modes stay as they were."""
    modes = {one: one.training for one in module.modules()}
    try:
        result: Tensor = module.eval()(features)
        return result
    finally:
        for one, mode in modes.items():
            one.training = mode
