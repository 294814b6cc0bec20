"""What ORNet's fine stage computes on the map: attentive erasing and its two losses.

Source: Xie et al., ICCV 2021, and the authors' code.
"""

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional as F

# Of the entropy's weight: what is far from undecided counts little.
ENTROPY_WIDTH = 0.1
# Classes ranked up to here are taken for the image's own: the area term leaves their features alone.
OWN_RANKS = 3
SMALLEST_HALF_SIZE = 4
LARGEST_FACTOR = 0.5
ERASED_SHARE = 0.5


def area_loss(attention: Tensor, logit: Tensor, feature: Tensor, *, top_k: int | None) -> Tensor:
    """Mean of the map, and of the features of classes that the image is probably not of.

    Args:
        attention: (B, 1, h, w) float in [0, 1].
        logit: (B, C) float, by which classes are ranked; gets no gradient.
        feature: (B, C, h, w) float, may be negative: so may be the loss.
        top_k: ranks 4 to this are added, each as its mean over batch and pixels (they are summed, not
            averaged, as in the code); more than C: to the last. None: the map alone, as in the paper.

    Returns:
        () float.

    Raises:
        ValueError: shapes do not fit, or top_k is negative.
    """
    size = (len(attention), 1, *feature.shape[2:])
    if attention.shape != size or logit.ndim != 2 or feature.shape[:2] != logit.shape:
        raise ValueError(
            f"expected attention (B, 1, h, w), logit (B, C) and feature (B, C, h, w), got "
            f"{tuple(attention.shape)}, {tuple(logit.shape)} and {tuple(feature.shape)}"
        )
    if top_k is None:
        return attention.mean()
    if top_k < 0:
        raise ValueError(f"expected top_k >= 0 or None, got {top_k}")
    others = logit.detach().topk(min(top_k, logit.shape[1])).indices[:, OWN_RANKS:]
    return attention.mean() + feature.mean(dim=(2, 3)).gather(1, others).mean(dim=0).sum()


def weighted_entropy_loss(attention: Tensor) -> Tensor:
    """Entropy of the map's pixels, weighted by how close to undecided they are.

    Args:
        attention: float in [0, 1], of any shape.

    Returns:
        () float: mean of H(p) exp(-(p - .5)^2 / (2 * .1^2)), in nats.
    """
    # eps would be rounded away in half precision.
    attention = attention.to(torch.promote_types(attention.dtype, torch.float32))
    eps = torch.finfo(torch.float32).eps
    entropy = -(attention * (attention + eps).log() + (1 - attention) * (1 - attention + eps).log())
    weight = (-((attention - 0.5) ** 2) / (2 * ENTROPY_WIDTH**2)).exp()
    return (entropy * weight).mean()


@dataclasses.dataclass(frozen=True)
class ErasingDraws:
    """What is random in attentive erasing.

    Attributes:
        factor: () float in [0, .5]: candidates are within this share of the map's range from its maximum.
        half_sizes: (B, 2) int: half height and half width of the window around the maximum; 0, 0: no window.
        uniform: (B, 1, h, w) float in [0, 1): a pixel is kept where it is below its keep probability.
    """

    factor: Tensor
    half_sizes: Tensor
    uniform: Tensor


def draw_erasing(attention: Tensor, *, random: torch.Generator | None = None) -> ErasingDraws:
    """Draw what one batch's attentive erasing needs.

    One factor for the batch; an image is erased with probability .5, and never where its limits leave nothing
    to draw from (see `half_size_limits`).

    Args:
        attention: (B, 1, h, w) float, without gradient.
        random: a generator of the CPU; None: PyTorch's own.

    Returns:
        The draws, on the map's device.
    """
    count, device = len(attention), attention.device
    factor = (torch.rand((), generator=random) * LARGEST_FACTOR).to(device)
    share = torch.rand((count, 2), generator=random).to(device)
    chosen = (torch.rand(count, generator=random) < ERASED_SHARE).to(device)
    uniform = torch.rand(attention.shape, generator=random).to(device)
    span = half_size_limits(attention, factor) - SMALLEST_HALF_SIZE
    half_sizes = SMALLEST_HALF_SIZE + (share * span).long()
    chosen = chosen & (span > 0).all(dim=1)
    return ErasingDraws(factor, half_sizes * chosen[:, None], uniform)


def half_size_limits(attention: Tensor, factor: Tensor | float) -> Tensor:
    """Limits of the window's half sizes, half of the extents of each map's candidates.

    Args:
        attention: (B, 1, h, w) float.
        factor: as in `ErasingDraws`.

    Returns:
        (B, 2) int64, height and width: half sizes are drawn from 4 to below it.
    """
    candidates = _candidates(attention, factor)[:, 0]
    extents = [_extent(candidates.any(dim=2)), _extent(candidates.any(dim=1))]
    return torch.stack(extents, dim=1) // 2


def erasing_region(attention: Tensor, *, factor: Tensor | float, half_sizes: Tensor) -> Tensor:
    """Candidates inside a window around each map's maximum.

    Args:
        attention: (B, 1, h, w) float.
        factor: as in `ErasingDraws`.
        half_sizes: (B, 2) int, as in `ErasingDraws`.

    Returns:
        (B, 1, h, w) bool. The first row and column are never in it: the window's edges are clipped to the
        map and do not belong to it (as in the code).
    """
    height, width = attention.shape[2:]
    peak = attention.flatten(1).argmax(dim=1)
    rows = _inside(torch.div(peak, width, rounding_mode="floor"), half_sizes[:, 0], height)
    columns = _inside(peak % width, half_sizes[:, 1], width)
    return _candidates(attention, factor) & rows[:, None, :, None] & columns[:, None, None, :]


def keep_probability(attention: Tensor, region: Tensor, *, drop_probability: float | None = None) -> Tensor:
    """Probability that a pixel is kept.

    Args:
        attention: (B, 1, h, w) float in [0, 1].
        region: (B, 1, h, w) bool.
        drop_probability: inside the region; None: .6 p + .2, so bright pixels go first.

    Returns:
        (B, 1, h, w) float, 1 outside the region.
    """
    drop = _raised(attention) if drop_probability is None else torch.full_like(attention, drop_probability)
    return torch.where(region, 1 - drop, torch.ones_like(attention))


def attentive_erasing(
    attention: Tensor, draws: ErasingDraws, *, drop_probability: float | None = None
) -> Tensor:
    """The map that masks the evaluator's image in training, with pixels around its maximum erased.

    Args:
        attention: (B, 1, h, w) float in [0, 1].
        draws: from `draw_erasing`.
        drop_probability: .5 in the paper; None: the code's, see `keep_probability`.

    Returns:
        (B, 1, h, w) float: .6 p + .2, in [.2, .8], and 0 where erased. Its gradient is 0 there too. The code
        does this to every image of a training batch; we know of no other word in the paper.
    """
    constant = attention.detach()
    region = erasing_region(constant, factor=draws.factor, half_sizes=draws.half_sizes)
    kept = draws.uniform < keep_probability(constant, region, drop_probability=drop_probability)
    return _raised(attention) * kept


def masked_image(image: Tensor, mask: Tensor) -> Tensor:
    """Image under a mask of a coarser grid: (B, 3, H, W) and (B, 1, h, w) to (B, 3, H, W)."""
    return image * F.interpolate(mask, image.shape[2:], mode="nearest")


def _raised(attention: Tensor) -> Tensor:
    return 0.6 * attention + 0.2


def _candidates(attention: Tensor, factor: Tensor | float) -> Tensor:
    """Pixels that are within a share of the range from the maximum of their map: (B, 1, h, w) bool."""
    highest = attention.amax(dim=(2, 3), keepdim=True)
    lowest = attention.amin(dim=(2, 3), keepdim=True)
    return attention > highest - (highest - lowest) * factor


def _extent(occupied: Tensor) -> Tensor:
    """Distance of the first and the last True of each row, 0 where there is none: (B, n) -> (B,)."""
    first = occupied.int().argmax(dim=1)
    last = occupied.shape[1] - 1 - occupied.flip(1).int().argmax(dim=1)
    return torch.where(occupied.any(dim=1), last - first, 0)


def _inside(middle: Tensor, half: Tensor, length: int) -> Tensor:
    """Positions strictly inside a clipped window: (B,) and (B,) -> (B, length) bool."""
    position = torch.arange(length, device=middle.device)[None]
    return (position > (middle - half).clamp(min=0)[:, None]) & (position < (middle + half)[:, None])
