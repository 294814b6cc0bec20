"""Foreground maps of BAS for localisation: of one class, of the best classes, stretched to [0, 1]."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def map_of_class(features: Tensor, generator: nn.Conv2d, label: Tensor) -> Tensor:
    """One channel of a generator's maps per image, without the others.

    Equal to ``generator(features).sigmoid()`` at ``label``, at 1 / C of its work: with the 1,000 classes of
    ILSVRC the generator would be the largest layer of the network.

    Args:
        features: (B, N, h, w) float.
        generator: 3x3 convolution, padding 1, with bias, to C maps.
        label: (B,) int, 0-based.

    Returns:
        (B, 1, h, w) float in [0, 1].
    """
    weight = generator.weight[label]
    # Each pixel gives nine products to its neighbours; `fold` adds what lands on the same one. A pixel's
    # right neighbour takes what the kernel's left column gives, hence the flips.
    products = weight.flip(2, 3).flatten(2).transpose(1, 2) @ features.flatten(2)
    logit = F.fold(products, features.shape[2:], 3, padding=1)
    assert generator.bias is not None
    return (logit + generator.bias[label][:, None, None, None]).sigmoid()


def mean_map_of_best(maps: Tensor, logit: Tensor, *, top_k: int) -> Tensor:
    """Mean of the maps of the classes with the highest logits.

    Args:
        maps: (B, C, h, w) float.
        logit: (B, C) float.
        top_k: number of classes, 1 to C.

    Returns:
        (B, 1, h, w) float.

    Raises:
        ValueError: ``top_k`` is out of range.
    """
    classes = logit.shape[1]
    if not 1 <= top_k <= classes:
        raise ValueError(f"expected top_k 1 to {classes}, got {top_k}: take no more than there are classes")
    best = logit.topk(top_k, dim=1).indices
    rows = torch.arange(len(maps), device=maps.device)[:, None]
    return maps[rows, best].mean(dim=1, keepdim=True)


def normalize_maps(maps: Tensor, *, epsilon: float) -> Tensor:
    """Stretch each map so that its minimum is 0 and its maximum 1 (nearly so with an epsilon).

    Args:
        maps: (B, 1, h, w) float.
        epsilon: added to the range; `Version.epsilon`.

    Returns:
        (B, 1, h, w) float in [0, 1]; a constant map is all 0.
    """
    low, high = maps.amin(dim=(1, 2, 3), keepdim=True), maps.amax(dim=(1, 2, 3), keepdim=True)
    # The conference's code has no epsilon and gives NaN for a constant map.
    divisor = torch.where(high > low, high - low + epsilon, torch.ones_like(low))
    return (maps - low) / divisor


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and back into its own afterwards."""
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
