"""Initial weights of backbones: read from a file, and named for a manifest."""

from pathlib import Path

from wsss.backbones.cut import Backbone
from wsss.errors import ConfigError
from wsss.paths import resolve_path
from wsss.weights import load_weights, sha256_of


def load_backbone(backbone: Backbone, path: str | Path) -> None:
    """Load a local state dict into a cut backbone.

    Args:
        backbone: the network to fill.
        path: file with a state dict, in the library's names or in ours. Entries of a classifier are ignored.

    Raises:
        ConfigError: the file is absent, is no state dict, or holds the weights of another network.
    """
    file = resolve_path(path)
    state_dict = load_weights(file, what="backbone weights", setting="pretrained")
    given = backbone.rename_library_keys(state_dict)[0] or state_dict
    own = backbone.state_dict()
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    others = [key for key, value in given.items() if key in own and value.shape != own[key].shape]
    foreign = backbone.foreign_entries(state_dict)
    found = None
    if missing:
        found = f"but {len(missing)} entries are missing (first: {missing[0]})"
    elif others:
        key = others[0]
        found = (
            f"but {len(others)} entries have other shapes (first: {key} is {tuple(given[key].shape)}, "
            f"expected {tuple(own[key].shape)})"
        )
    elif foreign:
        found = f"but {len(foreign)} of its entries have no place there (first: {foreign[0]})"
    if found is not None:
        raise ConfigError(
            f"expected weights of {backbone.name} in {file}, {found}: give the state dict of the same "
            "network, or correct 'backbone'"
        )
    backbone.load_state_dict(given, strict=False)


def weights_sha256(pretrained: str | Path | None) -> str:
    """Name the initial weights for a manifest: "random", "imagenet" or the SHA-256 of the local file."""
    if pretrained is None:
        return "random"
    if pretrained == "imagenet":
        return "imagenet"
    return sha256_of(pretrained, what="backbone weights", setting="pretrained")
