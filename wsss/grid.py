"""Full-size maps as maps on the stride-4 grid that seeds are stored on."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import grid_of


def fit_to_grid(maps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Maps at stride 4 whose bilinear upsampling (`Seed.upsample`) is closest to full-size ones.

    Args:
        maps: (K, H, W) float, K at least 1.

    Returns:
        (K, (H-1)//4+1, (W-1)//4+1) float32, by least squares; it may leave the range of ``maps`` a little.

    >>> fit_to_grid(np.full((1, 8, 12), 0.5)).round(6).tolist()
    [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]]
    """
    return np.asarray(_shrinker(maps.shape[1]) @ maps @ _shrinker(maps.shape[2]).T, np.float32)


@functools.lru_cache(maxsize=256)
def _shrinker(side: int) -> NDArray[np.float32]:
    """Least-squares inverse of the bilinear upsampling along one side: ((side-1)//4+1, side)."""
    cells = grid_of((side, side))[0]
    grow = cv2.resize(np.eye(cells), (cells, side), interpolation=cv2.INTER_LINEAR)
    return np.linalg.pinv(grow.reshape(side, cells)).astype(np.float32)
