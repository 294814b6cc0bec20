"""Inception v3 on the grids of the other backbones."""

from typing import Any

import torch
from torch import Tensor, nn

from wsss.backbones.cut import Cut
from wsss.backbones.strides import Reduction
from wsss.images import IMAGENET_MEAN, IMAGENET_STD


def cut_inception_v3(imagenet: bool) -> Cut:
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
    first = _Mixed([[mixed_6a.branch3x3], dense_6a])
    second = _Mixed([[mixed_7a.branch3x3_1, mixed_7a.branch3x3_2], wide_7a])
    pools = [nn.MaxPool2d(3, 2, 1) for _ in range(2)]
    levels = [
        nn.Sequential(_HalfRange(), network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_2b_3x3),
        nn.Sequential(pools[0], network.Conv2d_3b_1x1, network.Conv2d_4a_3x3),
        nn.Sequential(pools[1], network.Mixed_5b, network.Mixed_5c, network.Mixed_5d),
        nn.Sequential(first, network.Mixed_6b, network.Mixed_6c, network.Mixed_6d, network.Mixed_6e),
        nn.Sequential(second, network.Mixed_7b, network.Mixed_7c),
    ]
    return Cut(network, levels, channels=(64, 192, 288, 768, 2048), strides=(2, 4, 8, 16, 32))


class _HalfRange(nn.Module):
    """What the weights of Inception expect: values in [-1, 1] instead of ImageNet's mean and deviation."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W), normalized with the ImageNet mean and deviation -> (B, 3, H, W) in [-1, 1]."""
        mean = image.new_tensor(IMAGENET_MEAN)[:, None, None]
        deviation = image.new_tensor(IMAGENET_STD)[:, None, None]
        return (image * deviation + mean) * 2 - 1


class _Mixed(Reduction):
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
