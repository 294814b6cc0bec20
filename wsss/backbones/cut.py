"""A classification network cut into five levels, to which stages attach their heads."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

LEVELS = 5
OUTPUT_STRIDES = (8, 16, 32)
# Ends of names of what a network learns; libraries also save tables that follow from its layout.
_WEIGHTS = (".weight", ".bias", ".running_mean")
# What batch norm does in a training: all of it learns, its statistics stay, or all of it stays.
BatchNormMode = Literal["train", "fixed_statistics", "fixed"]


@dataclasses.dataclass(frozen=True)
class Cut:
    """A network and where it is cut.

    Attributes:
        network: the whole of it; the names in its state dict are the library's.
        levels: five modules of it that follow each other; together they give its last features.
        channels: output channels of each level.
        strides: output stride of each level, in pixels of the image. An image of any size (H, W) has
            features of ceil(H / stride), ceil(W / stride) cells.
    """

    network: nn.Module
    levels: Sequence[nn.Module]
    channels: tuple[int, ...]
    strides: tuple[int, ...]


class Backbone(nn.Module):
    """A classification network without its classifier, as five levels of falling resolution.

    Attributes:
        name: the network's name in the library it comes from.
        levels: five modules; level 0 is the stem, level 4 the deepest.
        channels: output channels of each level.
        strides: output stride of each level, in pixels of the image.
    """

    def __init__(self, name: str, cut: Cut) -> None:
        super().__init__()
        self.name = name
        self.levels = nn.ModuleList(cut.levels)
        self.channels, self.strides = cut.channels, cut.strides
        self._names = _library_names(cut.network, self)

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

    def foreign_entries(self, state_dict: Mapping[str, Tensor]) -> list[str]:
        """Names of weights that this network has no place for, though they are no classifier's.

        A deeper network of the same kind has all entries of a shallower one, and more:
        ``layer3.6.conv1.weight`` where a ResNet50's ``layer3`` ends at 5.

        Args:
            state_dict: entries under the library's names, or under ours.
        """
        own = self.state_dict()
        names = own if any(key in own for key in state_dict) else self._names
        parts = {name.partition(".")[0] for name in names}
        return [
            key
            for key in state_dict
            if key not in names and key.endswith(_WEIGHTS) and key.partition(".")[0] in parts
        ]


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
