"""Boxes: overlap, other grids, and the box of a map's largest component.

A box is (x0, y0, x1, y1) in pixels. Its last column and row count, so it is x1 - x0 + 1 wide.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Box = tuple[int, int, int, int]
# BAS's square images and what it cuts out of their middle.
_RESIZED, _CROPPED = 256, 224


def box_iou(a: ArrayLike, b: ArrayLike) -> Any:
    """Intersection over union of every box of one set with every box of another.

    Args:
        a: (4,) or (n, 4) x0 y0 x1 y1.
        b: (4,) or (m, 4).

    Returns:
        Values in [0, 1] of shape (n, m); the axis of a single box is left out, and two single boxes give a
        float. 0 where the union is empty.

    Raises:
        ValueError: other shapes.

    Source: wsolevaluation, with 1 added to every extent: two boxes of one pixel at the same place have 1.

    >>> box_iou([0, 0, 9, 9], [0, 0, 9, 4])
    0.5
    """
    first, second = _boxes(a), _boxes(b)
    one, two = np.atleast_2d(first)[:, None], np.atleast_2d(second)[None]
    extent = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2]) + 1
    intersection = extent.clip(0).prod(axis=-1)
    union = _area(one) + _area(two) - intersection
    values = np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
    values = values.reshape(first.shape[:-1] + second.shape[:-1])
    return values if values.ndim else float(values)


def resize_boxes(boxes: ArrayLike, size: tuple[int, int], to: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes of an image on the grid of its resized version; coordinates are cut to whole ones.

    Args:
        boxes: (4,) or (n, 4) x0 y0 x1 y1.
        size: (H, W) of the image.
        to: (H, W) of the resized version.

    Returns:
        Boxes of the same shape, int64.

    Source: wsolevaluation: each coordinate times the new side over the old one, truncated.
    """
    found = _boxes(boxes)
    old, new = np.array(size)[[1, 0, 1, 0]], np.array(to)[[1, 0, 1, 0]]
    return np.trunc(found * new / old).astype(np.int64)


def center_crop_boxes(boxes: ArrayLike, size: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes of an image on BAS's grid: resized to 256 x 256, of which the middle 224 x 224 are cut out.

    Args:
        boxes: (4,) or (n, 4) x0 y0 x1 y1.
        size: (H, W) of the image.

    Returns:
        Boxes of the same shape, int64 in 0..223; what lies outside the middle is cut off.

    Source: BAS's evaluation code (Zhai et al., IJCV 2023).
    """
    height, width = size
    scaled = _boxes(boxes) / (width, height, width, height) * _RESIZED - (_RESIZED - _CROPPED) / 2
    return scaled.clip(0, _CROPPED - 1).astype(np.int64)


def largest_component_box(score_map: NDArray[Any], *, threshold: float) -> Box:
    """Box of the largest connected part of a map above a threshold.

    Args:
        score_map: (H, W) number.
        threshold: what values must be above, on the scale of the map.

    Returns:
        x0 y0 x1 y1, where x1 and y1 lie one beyond the last pixel, as in BAS's code, which then measures the
        overlap as if they were inside. (0, 0, W, H) where nothing is above the threshold.

    Raises:
        ValueError: the map has not two dimensions, or is empty.

    Source: BAS's evaluation code: of the parts (8 neighbours) the one of most pixels; of several such the
        one that comes first row by row.

    >>> largest_component_box(np.array([[0.0, 0.9, 0.8], [0.1, 0.7, 0.0]]), threshold=0.5)
    (1, 0, 3, 2)
    """
    if score_map.ndim != 2 or score_map.size == 0:
        raise ValueError(f"expected a score map (H, W), got shape {score_map.shape}: pass one map")
    above = (score_map > threshold).astype(np.uint8)
    _, labels, parts, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    pixels = parts[1:, cv2.CC_STAT_AREA]
    if len(pixels) == 0:
        return 0, 0, score_map.shape[1], score_map.shape[0]
    largest = np.flatnonzero(pixels == pixels.max()) + 1
    # OpenCV does not promise an order of its labels.
    chosen = largest[0] if len(largest) == 1 else labels.ravel()[np.isin(labels, largest).argmax()]
    left, top, width, height = (int(one) for one in parts[int(chosen), : cv2.CC_STAT_AREA])
    return left, top, left + width, top + height


def center_boxes(sides: ArrayLike, size: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes around the middle of an image, of its shape.

    Args:
        sides: (n,) each box's sides as shares of the image's, above 0 and at most 1.
        size: (H, W) of the image.

    Returns:
        (n, 4) int64 x0 y0 x1 y1.
    """
    shares = np.asarray(sides, np.float64).reshape(-1, 1)
    extent = np.array(size)[[1, 0]]
    start = np.rint((1 - shares) / 2 * extent).astype(np.int64)
    return np.concatenate([start, extent - 1 - start], axis=1)


def _boxes(boxes: ArrayLike) -> NDArray[Any]:
    found = np.asarray(boxes)
    if found.ndim not in (1, 2) or found.shape[-1] != 4 or found.dtype.kind not in "iuf":
        raise ValueError(
            f"expected boxes (4,) or (n, 4) x0 y0 x1 y1, got {found.dtype} {found.shape}: pass numbers"
        )
    # Unsigned differences would wrap around.
    return found.astype(np.int64) if found.dtype.kind == "u" else found


def _area(boxes: NDArray[Any]) -> NDArray[Any]:
    return (boxes[..., 2:] - boxes[..., :2] + 1).prod(axis=-1)
