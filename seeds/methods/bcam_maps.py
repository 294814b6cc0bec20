"""Pooling with attention maps, and the gradient of what is pooled without a backward pass."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seeds.losses import full_precision


def pooled_gradient_maps(
    features: Tensor,
    aggregators: Sequence[nn.Conv2d],
    *,
    direction: Tensor,
    contrast: Tensor,
    one_sign: bool = False,
) -> tuple[Tensor, ...]:
    """Gradient of a class's score at every pixel times its mean, one map for each aggregator.

    Args:
        features: (B, N, h, w).
        aggregators: 1x1 convolutions to M attention maps; the score of every second one has the other sign.
        direction: (1 or B, K, N): gradient of the K scores at a pooled pixel, but for the attention's part.
        contrast: (1 or B, K, N): weights of the K scores.
        one_sign: keep the channels alone in which the mean of the gradient is positive.

    Returns:
        For each aggregator (B, K, h, w).
    """
    # Small differences of sums over all pixels: not in half precision.
    with torch.autocast(features.device.type, enabled=False):
        features = full_precision(features)
        score = contrast @ features.flatten(2)
        maps = []
        for index, aggregator in enumerate(aggregators):
            kept = direction
            if one_sign:  # the mean is direction / pixels, with the sign of the score
                kept = direction.clamp(max=0) if index % 2 else direction.clamp(min=0)
            alike = aggregator.weight.flatten(1) @ kept.transpose(1, 2)
            norm = kept.square().sum(dim=2)
            flat = _gradient_times_mean(pixel_attention(aggregator, features), score, norm, alike)
            maps.append(flat.unflatten(2, features.shape[2:]))
    return tuple(maps)


def threshold_free_mask(
    object_map: Tensor, background_map: Tensor, *, size: tuple[int, int] | None = None
) -> Tensor:
    """Where the object's map is above the background's; neither is normalised, no threshold is needed.

    Args:
        object_map: (..., h, w) float, raw, of `BCAMNet.gradient_maps` or S of the classifiers.
        background_map: (..., h, w) float, likewise.
        size: (H, W) of the image, to which both are brought bilinearly first; None: they stay as they are.

    Returns:
        (..., h, w) or (..., H, W) bool. Equal values are background.

    Raises:
        ValueError: the shapes differ.
    """
    if object_map.ndim < 2 or object_map.shape != background_map.shape:
        raise ValueError(
            f"expected two maps of one shape (..., h, w), got {tuple(object_map.shape)} and "
            f"{tuple(background_map.shape)}"
        )
    difference = object_map - background_map
    if size is not None:
        # Linear: the difference of the resized maps is the resized difference.
        flat = difference.reshape(-1, 1, *difference.shape[-2:])
        flat = F.interpolate(flat, size, mode="bilinear", align_corners=False)
        difference = flat.reshape(*difference.shape[:-2], *size)
    return difference > 0


def pixel_attention(aggregator: nn.Module, features: Tensor) -> Tensor:
    """Attention maps (B, M, h * w) of features (B, N, h, w); each sums to 1."""
    return aggregator(features).flatten(2).softmax(dim=2)


def attention_pool(features: Tensor, attention: Tensor) -> Tensor:
    """Mean (B, N) over the heads of the features weighted with each: pooling with the mean attention."""
    return torch.einsum("bnp,bp->bn", features.flatten(2), attention.mean(dim=1).to(features.dtype))


def judge(classifier: nn.Conv2d, pooled: Tensor) -> Tensor:
    """Logits (B, C) of pooled features (B, N)."""
    return F.linear(pooled, classifier.weight.flatten(1), classifier.bias)


def _gradient_times_mean(attention: Tensor, score: Tensor, norm: Tensor, alike: Tensor) -> Tensor:
    """Gradient of a score at every pixel times its mean, in closed form.

    The score pools pixels z with the mean of M attentions alpha_m, whose logits are <a_m, z>. A pixel acts on
    it directly, by alpha(x) u, and through each softmax, by alpha_m(x) (d(x) - sum of alpha_m d) a_m / M. The
    second part sums to zero over the pixels, so the mean is u / pixels.

    Args:
        attention: alpha, (B, M, P).
        score: d, (B, K, P): what the score would be of each pixel alone.
        norm: <u, t>, (1 or B, K), with t the part of u that is kept of the mean.
        alike: <a_m, t>, (1 or B, M, K).

    Returns:
        (B, K, P).
    """
    heads, pixels = attention.shape[1:]
    score = score - score.mean(dim=2, keepdim=True)  # the maps do not change, rounding errors shrink
    expected = attention @ score.transpose(1, 2)
    through = (alike.transpose(1, 2) @ attention) * score - (alike * expected).transpose(1, 2) @ attention
    return (norm.unsqueeze(2) * attention.mean(dim=1, keepdim=True) + through / heads) / pixels
