"""Which networks of timm can be cut, by the module of timm that they come from."""

import difflib
from typing import Any

from wsss.backbones.cut import LEVELS
from wsss.errors import ConfigError

PREFIX = "timm:"
# Modules of timm whose networks are chains of modules, each of which takes the last one's result and grids of
# any size. The tests hold the smallest network of each against timm's own features.
CHAINS = frozenset(
    """
    byobnet convnext cpubone cspnet cspnext davit densenet dla dpn edgenext efficientnet efficientvit_mit
    fasternet fastvit focalnet ghostnet hardcorenas hgnet iformer inception_next lcnetv2 lowformer mambaout
    metaformer mobilenetv3 mobilevit nextvit nfnet pvt_v2 rdnet regnet repghost repvit res2net resnest resnet
    resnetv2 rexnet senet sknet starnet swiftformer tiny_vit tresnet vgg vovnet
    """.split()  # noqa: SIM905  (a table of fifty strings would not be easier to read)
)
# Transformers with windows, whose stages begin with a merging of 2 x 2 cells.
WINDOWS = frozenset(("swin_transformer", "swin_transformer_v2", "swin_transformer_v2_cr"))
# Plain vision transformers: patches, then blocks that keep their number.
TOKENS = frozenset(("vision_transformer", "deit", "eva"))


def supported_timm_names() -> list[str]:
    """Names for timm:NAME whose kind of network can be cut; a few of them are refused when they are built."""
    import timm

    kinds = CHAINS | WINDOWS | TOKENS
    return [name for name in timm.list_models() if kind_of(name) in kinds]


def pretrained_entry(name: str) -> Any:
    """What timm knows of a network's pretrained weights.

    Args:
        name: without the prefix.

    Raises:
        ConfigError: timm has no such network, no such tag, or no weights of it.
    """
    entry = entry_of(name)
    if entry is None or not (entry.hf_hub_id or entry.url or entry.file):
        raise ConfigError(
            f"expected a network with pretrained weights in timm, got {name!r}, which has none there: set "
            "pretrained to None or to a file"
        )
    return entry


def entry_of(name: str) -> Any:
    """What timm knows of a network's pretrained weights; None: nothing."""
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f" (did you mean {PREFIX}{near[0]}?)" if near else ""
        raise ConfigError(
            f"expected the name of a network of timm {timm.__version__} behind {PREFIX}, got {name!r}{hint}: "
            "correct 'backbone'"
        )
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ConfigError(
            f"expected a tag that timm has behind the name, got {name!r}: {error}: correct 'backbone'"
        ) from error


def kind_of(name: str) -> str:
    """The module of timm that a network comes from."""
    from timm.models import model_entrypoint

    return model_entrypoint(name).__module__.rpartition(".")[2]


def refusal(name: str, reason: str) -> ConfigError:
    """The error for a network that cannot be cut."""
    return ConfigError(
        f"expected a network that can be cut into {LEVELS} levels, got {name}: {reason}: choose another "
        "'backbone'"
    )


def stride_refusal(name: str, output_stride: int, possible: str) -> ConfigError:
    """The error for an output stride that a network cannot have."""
    return ConfigError(
        f"expected output_stride {possible} for {name}, got {output_stride}: correct 'output_stride', or "
        "choose another backbone"
    )
