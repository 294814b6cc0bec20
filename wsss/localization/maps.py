"""Score maps on the grid that they are scored on, with values in [0, 1]."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# The side of the square grid of the published protocols.
GRID = (224, 224)


def normalize_score_map(score_map: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Enlarge a map, then stretch it to the range from 0 to 1.

    Args:
        score_map: (h, w) float, any range.
        size: (H, W) of the grid to score on.

    Returns:
        (H, W) float64, cubic, of minimum 0 and maximum 1; all 0 where the map is constant or not finite.

    Raises:
        ValueError: the map has not two dimensions, or is empty.

    Source: wsolevaluation: cv2's INTER_CUBIC comes before the stretching.

    >>> normalize_score_map(np.array([[2.0, 4.0]]), (1, 2))
    array([[0., 1.]])
    """
    # In single precision a few pixels would change their bin of PxAP.
    values = _check(score_map).astype(np.float64)
    if not np.isfinite(values).all() or values.min() == values.max():
        # A constant must be found here: cubic weights add up to 1 only up to rounding.
        return np.zeros(size, values.dtype)
    full = cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    full -= full.min()
    top = full.max()
    # Values near the largest float overshoot; values near the smallest vanish.
    return full / top if np.isfinite(top) and top > 0 else np.zeros(size, values.dtype)


def normalize_then_enlarge(
    score_map: NDArray[Any], size: tuple[int, int], *, eps: float = 1e-5
) -> NDArray[Any]:
    """Stretch a map to the range from 0 to nearly 1, then enlarge it: BAS's order.

    Args:
        score_map: (h, w) float, any range.
        size: (H, W) of the grid to score on.
        eps: added to the range before dividing by it.

    Returns:
        (H, W) float in [0, 1), bilinear; all 0 where the map is constant or not finite.

    Raises:
        ValueError: the map has not two dimensions, or is empty.

    Source: BAS's evaluation code (Zhai et al., IJCV 2023); that of CVPR 2022 has ``eps`` 0.
    """
    values = _check(score_map)
    if not np.isfinite(values).all() or values.min() == values.max():
        return np.zeros(size, values.dtype)
    stretched = (values - values.min()) / (values.max() - values.min() + eps)
    return cv2.resize(stretched, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _check(score_map: NDArray[Any]) -> NDArray[Any]:
    if score_map.ndim != 2 or score_map.size == 0:
        raise ValueError(f"expected a score map (h, w), got shape {score_map.shape}: pass one map")
    # OpenCV resizes these two kinds of float and no other.
    return score_map if score_map.dtype in (np.float32, np.float64) else score_map.astype(np.float32)
