"""Strides of convolutional networks, taken away from the deep end."""

import math
from collections.abc import Sequence

from torch import nn

from wsss.errors import ConfigError


class Reduction(nn.Module):
    """A block of branches side by side, each of which ends with the block's stride.

    Attributes:
        pool: the branch that is a max-pool.
    """

    pool: nn.MaxPool2d


def limit_stride(levels: Sequence[nn.Module], output_stride: int, *, dilate: bool) -> tuple[int, ...]:
    """Take away strides beyond the output stride, in place.

    A strided convolution that loses its stride keeps its own dilation (it sees the old grid); those after it
    are dilated by the lost factor, as in DeepLab.

    Args:
        levels: sequences of blocks.
        output_stride: stride of the last level, in pixels of the image.
        dilate: dilate what follows a lost stride.

    Returns:
        Output stride of each level.

    Raises:
        ConfigError: a block would have to lose a part of its stride.
    """
    stride, lost = 1, 1
    strides = []
    for level in levels:
        for block in level.children():
            block_stride = _stride_of(block)
            keep = min(block_stride, max(output_stride // stride, 1))
            dropped = block_stride // keep
            if keep > 1 and dropped > 1:
                raise ConfigError(
                    f"expected blocks that can do with a stride of {keep} for output_stride={output_stride}, "
                    f"got a {type(block).__name__} of stride {block_stride}: set a larger output_stride"
                )
            stride *= keep
            if dropped > 1:
                _drop_stride(block)
            if dilate and lost * dropped > 1:
                _dilate(block, before=lost, after=lost * dropped)
            lost *= dropped
        strides.append(stride)
    return tuple(strides)


def _stride_of(block: nn.Module) -> int:
    """Stride of a block along its main path (shortcut convolutions repeat it)."""
    if isinstance(block, Reduction):
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
        is_before = after > before and (index == 0 or isinstance(block, Reduction))
        dilation = before if is_before else after
        height, width = module.kernel_size
        module.dilation = (dilation, dilation)
        module.padding = (dilation * (height - 1) // 2, dilation * (width - 1) // 2)
