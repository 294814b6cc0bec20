"""Levels made of a timm network's modules: each maps the map of the level before it to its own."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn
from torch.nn import functional as F

from wsss.images import IMAGENET_MEAN, IMAGENET_STD


class Level(nn.Module):
    """Modules that follow each other in a network.

    Attributes:
        blocks: the modules.
        stride: of this level alone.
        pads: the modules drop the last rows and columns of a grid that ``stride`` does not divide; zeros are
            put behind them first.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        *,
        stride: int,
        reads_channels_last: bool = False,
        writes_channels_last: bool = False,
    ) -> None:
        """Join modules.

        Args:
            modules: from the network.
            stride: of all of them together.
            reads_channels_last: the first takes (B, h, w, N).
            writes_channels_last: the last gives (B, h, w, N).
        """
        super().__init__()
        self.blocks = nn.Sequential(*modules)
        self.stride = stride
        self.pads = False
        self._reads_channels_last = reads_channels_last
        self._writes_channels_last = writes_channels_last

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, h, w) -> (B, M, ceil(h / stride), ceil(w / stride))."""
        if self.pads:
            features = pad_to_multiple(features, self.stride)
        if self._reads_channels_last:
            features = features.permute(0, 2, 3, 1)
        features = self.blocks(features)
        return features.permute(0, 3, 1, 2) if self._writes_channels_last else features


class PatchLevel(nn.Module):
    """A vision transformer's patches with their positions, on a grid that fits the image.

    The image is filled up with zeros behind its last row and column to whole cells. Where a patch is not as
    large as a cell (14 pixels in a cell of 16), the filled image is resized so that it is. Position
    embeddings are interpolated to the grid.

    Attributes:
        patch_embed: timm's, which gives (B, h, w, N).
        pos_embed: (1, prefix + n, N) learned positions; None where the blocks rotate by them instead.
        norm_pre: follows the sum of both.
        stride: side of a cell in pixels of the image.
    """

    def __init__(self, network: Any, *, stride: int) -> None:
        """Take the modules from a network.

        Args:
            network: timm's, built with ``dynamic_img_size=True``.
            stride: side of a cell.
        """
        super().__init__()
        self.patch_embed = network.patch_embed
        self.pos_embed = network.pos_embed
        self.norm_pre = network.norm_pre
        self.stride = stride
        self._prefix = 0 if getattr(network, "no_embed_class", False) else int(network.num_prefix_tokens)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, ceil(H / stride), ceil(W / stride))."""
        image = pad_to_multiple(image, self.stride)
        height, width = (side // self.stride for side in image.shape[2:])
        patch = int(self.patch_embed.patch_size[0])
        if patch != self.stride:
            size = (height * patch, width * patch)
            image = F.interpolate(image, size, mode="bilinear", align_corners=False)
        tokens: Tensor = self.patch_embed(image)
        if self.pos_embed is not None:
            position = resample_abs_pos_embed(
                self.pos_embed[:, self._prefix :],
                new_size=[height, width],
                old_size=list(self.patch_embed.grid_size),
                num_prefix_tokens=0,
            )
            tokens = tokens + position.reshape(1, height, width, -1)
        return self.norm_pre(tokens).permute(0, 3, 1, 2)


class BlocksLevel(nn.Module):
    """Blocks of a vision transformer on a grid of patches, without class or register tokens.

    Attributes:
        blocks: they take and give (B, h * w, N).
        rope: makes the rotations of the positions that the blocks want; None where they want none.
        norm: follows the blocks.
    """

    def __init__(self, blocks: Iterable[nn.Module], *, rope: Any, norm: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.rope = rope
        self.norm = norm

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, h, w) -> (B, N, h, w)."""
        size = features.shape[2:]
        tokens = features.flatten(2).transpose(1, 2)
        options = {} if self.rope is None else {"rope": self.rope.get_embed(shape=list(size))}
        for block in self.blocks:
            tokens = block(tokens, **options)
        return self.norm(tokens).transpose(1, 2).unflatten(2, size)


class Renormalize(nn.Module):
    """Images normalized with the ImageNet mean and deviation, normalized with a network's own instead."""

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, H, W)."""
        pairs = zip(IMAGENET_STD, self.deviation, strict=True)
        factor = [given / wanted for given, wanted in pairs]
        terms = zip(IMAGENET_MEAN, self.mean, self.deviation, strict=True)
        offset = [(given - wanted) / deviation for given, wanted, deviation in terms]
        return image * image.new_tensor(factor)[:, None, None] + image.new_tensor(offset)[:, None, None]


def pad_to_multiple(features: Tensor, multiple: int) -> Tensor:
    """Put zeros behind the last row and column: (B, N, h, w) -> sides that ``multiple`` divides."""
    height, width = (math.ceil(side / multiple) * multiple for side in features.shape[2:])
    missing = (0, width - features.shape[3], 0, height - features.shape[2])
    return F.pad(features, missing) if any(missing) else features


def pad_behind(convolution: Any, inputs: tuple[Tensor]) -> Tensor:
    """Let a convolution whose windows have even sides keep the size of a map; a forward pre-hook.

    With its stride such windows stood side by side. Without it the last one reaches over the border.

    Args:
        convolution: with stride 1 and as much padding as it had before.
        inputs: (B, N, h, w), its only input.

    Returns:
        (B, N, h or more, w or more), with zeros behind.
    """
    (features,) = inputs
    if convolution.stride != (1, 1):
        return features
    sides = zip(convolution.kernel_size, convolution.padding, strict=True)
    height, width = (side - 1 - 2 * padding for side, padding in sides)
    return F.pad(features, (0, width, 0, height)) if height or width else features


def spread_pairs(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Let a module that joins blocks of 2 x 2 cells give one result for each cell; a forward pre-hook.

    Each cell and its neighbours to the right and below become a block of their own. Results at even cells are
    those that the module gave before.

    Args:
        inputs: (B, h, w, N), the module's only input.

    Returns:
        (B, 2 h, 2 w, N).
    """
    (features,) = inputs
    batch, height, width, channels = features.shape
    padded = F.pad(features, (0, 0, 0, 1, 0, 1))
    rows = torch.stack([padded[:, :height], padded[:, 1:]], dim=2).flatten(1, 2)
    return torch.stack([rows[:, :, :width], rows[:, :, 1:]], dim=3).reshape(
        batch, 2 * height, 2 * width, channels
    )
