"""Textured grounds of the invented world, the same for all classes, with patches in the hues of bodies."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

_Field = NDArray[np.float64]


def hsv_to_rgb(hue: _Field | float, saturation: _Field | float, value: _Field | float) -> _Field:
    """Colours of (H, W) fields; numbers are spread over the fields.

    Args:
        hue: degrees, any range.
        saturation: clipped to [0, 1].
        value: clipped to [0, 1].

    Returns:
        (H, W, 3) float64 RGB in [0, 1].
    """
    value = np.clip(value, 0, 1)
    chroma = value * np.clip(saturation, 0, 1)
    channels = []
    for turn in (5, 3, 1):
        offset = (turn + np.asarray(hue) / 60) % 6
        channels.append(value - chroma * np.clip(np.minimum(offset, 4 - offset), 0, 1))
    return np.stack(np.broadcast_arrays(*channels), axis=-1)


def smooth_noise(size: tuple[int, ...], scale: float, rng: np.random.Generator) -> _Field:
    """Noise whose lumps are about ``scale`` pixels wide.

    Args:
        size: (H, W).
        scale: in pixels.
        rng: source of the noise.

    Returns:
        (H, W) float64 in [-1, 1].
    """
    height, width = size
    coarse = rng.uniform(-1, 1, (int(height / scale) + 2, int(width / scale) + 2))
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), -1, 1).astype(
        np.float64
    )


def draw_ground(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    """Draw a ground of a kind and colours drawn at random, with two to four patches of other textures on it.

    Args:
        size: (H, W) in pixels.
        rng: source of everything that varies.

    Returns:
        (H, W, 3) float64 RGB in [0, 1].
    """
    ground = _colour(_draw_texture(size, rng), rng, saturation=(0.1, 0.4))
    for _ in range(rng.integers(2, 5)):
        _draw_patch(ground, rng)
    return ground


def _draw_patch(ground: _Field, rng: np.random.Generator) -> None:
    """Draw a ragged patch, an eighth to a third of the image wide, onto a ground (H, W, 3)."""
    height, width = ground.shape[:2]
    radius = rng.uniform(0.06, 0.17, 2) * min(height, width)
    reach = np.ceil(1.45 * radius).astype(int)
    centre = rng.integers(0, (height, width))
    top, left = np.maximum(centre - reach, 0)
    bottom, right = np.minimum(centre + reach, (height, width))
    window = (int(bottom - top), int(right - left))
    rows, columns = np.mgrid[top:bottom, left:right]
    distance = np.hypot((rows - centre[0]) / radius[0], (columns - centre[1]) / radius[1])
    inside = distance + 0.45 * smooth_noise(window, 9, rng) < 1
    patch = _colour(_draw_texture(window, rng), rng, saturation=(0.2, 0.5))
    ground[top:bottom, left:right][inside] = patch[inside]


def _draw_texture(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    kinds: tuple[Callable[[tuple[int, int], np.random.Generator], _Field], ...]
    kinds = (_clouds, _grass, _pebbles, _tiles, _speckles)
    return kinds[rng.integers(len(kinds))](size, rng)


def _colour(texture: _Field, rng: np.random.Generator, *, saturation: tuple[float, float]) -> _Field:
    """Colour a texture in [-1, 1]: any main hue; value and saturation follow the texture."""
    hue = rng.uniform(0, 360) + rng.uniform(5, 30) * texture
    value = rng.uniform(0.35, 0.75) + rng.uniform(0.12, 0.22) * texture
    return hsv_to_rgb(hue, rng.uniform(*saturation) - 0.08 * texture, value)


def _clouds(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    octaves = [smooth_noise(size, scale, rng) * weight for scale, weight in ((28, 0.5), (11, 0.35), (4, 0.3))]
    return np.clip(np.sum(octaves, axis=0), -1, 1)


def _grass(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    """Short streaks along one direction."""
    side = int(np.hypot(*size)) + 4
    streaks = cv2.resize(rng.uniform(-1, 1, (side // 12 + 1, side // 2)), (side, side))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-90, 90), 1.0)
    turned = cv2.warpAffine(streaks, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    return turned[top : top + size[0], left : left + size[1]].astype(np.float64)


def _pebbles(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    """Stones of different brightness with dark gaps."""
    from scipy.spatial import cKDTree

    spacing = rng.uniform(9, 15)
    stones = rng.uniform(0, 1, (2 + int(size[0] * size[1] / spacing**2), 2)) * size
    pixels = np.moveaxis(np.mgrid[: size[0], : size[1]], 0, -1)
    distance, nearest = cKDTree(stones).query(pixels, k=2)
    gap = np.clip((distance[..., 1] - distance[..., 0]) / 3, 0, 1)
    return np.asarray(rng.uniform(-0.3, 1, len(stones))[nearest[..., 0]] * gap - 0.9 * (1 - gap))


def _tiles(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    """Rows of bricks, every other row moved by half a brick."""
    high, wide = rng.uniform(7, 12), rng.uniform(14, 24)
    rows, columns = np.mgrid[: size[0], : size[1]] + rng.uniform(0, wide, (2, 1, 1))
    course = (rows // high).astype(int)
    moved = columns + (course % 2) * wide / 2
    shade = rng.uniform(-0.5, 0.9, (64, 64))[course % 64, (moved // wide).astype(int) % 64]
    mortar = (rows % high < 1.5) | (moved % wide < 1.5)
    return np.asarray(np.where(mortar, -0.9, shade + 0.2 * smooth_noise(size, 2, rng)).clip(-1, 1))


def _speckles(size: tuple[int, int], rng: np.random.Generator) -> _Field:
    """Sand: fine grains on slow swells."""
    return np.clip(0.5 * smooth_noise(size, 35, rng) + rng.normal(0, 0.35, size), -1, 1)
