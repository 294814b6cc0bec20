"""Pictures of an invented world: creatures with large plain bodies and small decisive heads.

Made to show what weak supervision suffers from. The head alone tells the class. The body tells it only
weakly: two classes share its shape and, nearly, its hue. The textured grounds are the same for all classes,
and patches in the hues of bodies lie on them.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsss.datasets.grounds import draw_ground, hsv_to_rgb, smooth_noise

CREATURES = ("pomlin", "drusk", "velmo", "tarrik", "oobie", "quillet")

# Two classes of a pair share the body's shape; their hues are 28 degrees apart and vary by 20 to both sides.
_BODY_SHAPES = ("slug", "slug", "block", "block", "drop", "drop")
_BODY_HUES = (14.0, 42.0, 116.0, 144.0, 256.0, 284.0)
_HUE_JITTER = 20.0
_HEAD_HUES = ((0.0, 55.0), (50.0, 230.0), (210.0, 25.0), (305.0, 90.0), (175.0, 335.0), (95.0, 285.0))
_ASPECTS = {"slug": 1.9, "block": 1.3, "drop": 1.5}
# Share of the image that one creature covers, by the number of creatures in it.
_COVER = {1: (0.17, 0.36), 2: (0.13, 0.25), 3: (0.10, 0.17)}
_HEAD_SHARE = (0.085, 0.14)
_TRIES = 500
_TRIES_EACH = 12


@dataclasses.dataclass(frozen=True)
class Scene:
    """One picture with its exact ground truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8, 0 background, label of the class elsewhere.
        heads: (H, W) bool, the visible pixels of heads.
        instances: (n, H, W) bool, the visible pixels of each creature, from the back to the front.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    heads: NDArray[np.bool_]
    instances: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class _Creature:
    """One creature on the canvas.

    Attributes:
        label: 1..6.
        body: (H, W) bool.
        head: (H, W) bool, apart from the body.
        window: rows and columns of the canvas that hold all of it, (h, w) in size.
        along, across: (h, w) coordinates of the window's pixels in which the body's ends lie at -1 and 1.
        head_along, head_across: the same for the head.
        inside: share of it that lies on the canvas.
    """

    label: int
    body: NDArray[np.bool_]
    head: NDArray[np.bool_]
    window: tuple[slice, slice]
    along: NDArray[np.float64]
    across: NDArray[np.float64]
    head_along: NDArray[np.float64]
    head_across: NDArray[np.float64]
    inside: float

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(H, W) bool, all pixels of the creature on the canvas, hidden ones too."""
        return self.body | self.head


def draw_scene(
    labels: Sequence[int], size: tuple[int, int], rng: np.random.Generator, *, repeated: bool = False
) -> Scene:
    """Draw one picture that shows exactly the given classes, one creature each.

    Args:
        labels: one to three different labels, 1..6.
        size: (H, W) in pixels.
        rng: source of everything that varies.
        repeated: labels may be the same: several creatures of one class.

    Raises:
        ValueError: no or too many labels, the same one twice, or one that there is not.
    """
    unlike = repeated or len(set(labels)) == len(labels)
    if not 1 <= len(labels) <= 3 or not unlike or not set(labels) <= set(range(1, 7)):
        raise ValueError(f"expected one to three different labels of 1..6, got {list(labels)}: choose others")
    creatures = _place_creatures(labels, size, rng)
    image = draw_ground(size, rng)
    mask = np.zeros(size, np.uint8)
    heads = np.zeros(size, bool)
    instances = np.zeros((len(creatures), *size), bool)
    for index, one in enumerate(creatures):
        canvas = image[one.window]
        canvas[one.body[one.window]] = _paint_body(one, rng)[one.body[one.window]]
        canvas[one.head[one.window]] = _paint_head(one, rng)[one.head[one.window]]
        mask[one.whole] = one.label
        heads = (heads & ~one.whole) | one.head
        instances = instances & ~one.whole
        instances[index] = one.whole
    image = image * rng.uniform(0.9, 1.08) + rng.normal(0, 0.015, image.shape)
    return Scene((np.clip(image, 0, 1) * 255).round().astype(np.uint8), mask, heads, instances)


def _place_creatures(
    labels: Sequence[int], size: tuple[int, int], rng: np.random.Generator
) -> list[_Creature]:
    """Draw positions, from the back to the front, until every creature can be seen well."""
    placed: list[_Creature] = []
    for attempt in range(_TRIES):
        # They shrink a little with each failure, so that crowded pictures come to an end too.
        one = _place_creature(labels[len(placed)], len(labels), size, 0.995**attempt, rng)
        if _are_seen([*placed, one]):
            placed.append(one)
        elif attempt % _TRIES_EACH == _TRIES_EACH - 1:
            placed.clear()
        if len(placed) == len(labels):
            return placed
    raise ValueError(f"expected room for {len(labels)} creatures in {size[0]} x {size[1]} pixels, found none")


def _place_creature(
    label: int, count: int, size: tuple[int, int], shrink: float, rng: np.random.Generator
) -> _Creature:
    height, width = size
    shape = _BODY_SHAPES[label - 1]
    aspect = _ASPECTS[shape] * rng.uniform(0.88, 1.12)
    area = height * width * rng.uniform(*_COVER[count]) * shrink
    # Half length and half width of the ellipse of that area, less what the head adds.
    half_width = math.sqrt(0.94 * area / (math.pi * aspect))
    half_length = aspect * half_width
    angle = rng.uniform(-0.6, 0.6) + (math.pi if rng.random() < 0.5 else 0.0)
    centre_y = rng.uniform(0.75 * half_width, height - 0.75 * half_width)
    centre_x = rng.uniform(0.75 * half_length, width - 0.75 * half_length)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    right, down = columns - centre_x, rows - centre_y
    along = (right * math.cos(angle) + down * math.sin(angle)) / half_length
    across = (down * math.cos(angle) - right * math.sin(angle)) / half_width
    share = rng.uniform(*_HEAD_SHARE)
    radius = math.sqrt(share * area / math.pi)
    head_along = (along - rng.uniform(0.86, 1.0)) * half_length / radius
    head_across = (across - rng.uniform(-0.35, 0.35)) * half_width / radius
    head = np.hypot(head_along, head_across) < 1 + 0.06 * np.sin(3 * np.arctan2(head_across, head_along))
    body = _is_body(shape, along, across, rng) & ~head
    inside = (body.sum() + head.sum()) / area
    window = _find_window(body | head)
    return _Creature(
        label=label,
        body=body,
        head=head,
        window=window,
        along=along[window],
        across=across[window],
        head_along=head_along[window],
        head_across=head_across[window],
        inside=float(inside),
    )


def _find_window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _is_body(
    shape: str, along: NDArray[np.float64], across: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(H, W) bool of a body whose ends lie at -1 and 1 of both coordinates; the outline wobbles a little."""
    if shape == "slug":
        bend = rng.choice([-1.0, 1.0]) * 0.3
        distance = np.hypot(along, across - bend * (along**2 - 0.4))
    elif shape == "block":
        distance = 1.05 * np.sqrt(np.hypot(along**2, across**2))
    else:
        distance = np.hypot(along, across / (1.0 - 0.4 * np.clip(along, -1.2, 1.2)))
    angle = np.arctan2(across, along)
    phase = rng.uniform(0, 2 * np.pi, 2)
    wobble = 0.035 * np.sin(3 * angle + phase[0]) + 0.03 * np.sin(5 * angle + phase[1])
    return distance < 1 + wobble


def _are_seen(placed: Sequence[_Creature]) -> bool:
    """Whether of each creature most lies in the picture and little is hidden by those in front of it."""
    for index, one in enumerate(placed):
        hidden = np.zeros_like(one.head)
        for front in placed[index + 1 :]:
            hidden |= front.whole
        seen = (one.whole & ~hidden).sum()
        head_seen = (one.head & ~hidden).sum()
        if one.inside < 0.85 or seen < 0.75 * one.whole.sum() or not 0.075 * seen < head_seen < 0.16 * seen:
            return False
    return True


def _paint_body(one: _Creature, rng: np.random.Generator) -> NDArray[np.float64]:
    """(h, w, 3) plain hide: one hue, light from above, soft patches and fine grain."""
    size = one.along.shape
    hue = _BODY_HUES[one.label - 1] + rng.uniform(-_HUE_JITTER, _HUE_JITTER)
    light = 0.16 * np.clip(-one.across if rng.random() < 0.5 else one.across, -1, 1)
    value = (
        rng.uniform(0.5, 0.72)
        + light
        + 0.12 * smooth_noise(size, 14, rng)
        + 0.05 * smooth_noise(size, 2, rng)
    )
    saturation = rng.uniform(0.28, 0.52) + 0.1 * smooth_noise(size, 12, rng)
    return hsv_to_rgb(hue + 6 * smooth_noise(size, 10, rng), saturation, value)


def _paint_head(one: _Creature, rng: np.random.Generator) -> NDArray[np.float64]:
    """(h, w, 3) head: a strong pattern of two colours, both of the class alone."""
    turn = rng.uniform(0, 2 * np.pi)
    first = one.head_along * math.cos(turn) + one.head_across * math.sin(turn)
    second = one.head_across * math.cos(turn) - one.head_along * math.sin(turn)
    pattern = _emblem(one.label, first, second)
    light_hue, dark_hue = (hue + rng.uniform(-10, 10) for hue in _HEAD_HUES[one.label - 1])
    grain = 0.05 * smooth_noise(one.along.shape, 2, rng)
    light = hsv_to_rgb(light_hue, rng.uniform(0.65, 0.9), rng.uniform(0.85, 1.0) + grain)
    dark = hsv_to_rgb(dark_hue, rng.uniform(0.7, 0.95), rng.uniform(0.3, 0.5) + grain)
    return np.where(pattern[:, :, None], light, dark)


def _emblem(label: int, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(h, w) bool, the light parts of a class's pattern in coordinates where the head is the unit disc."""
    radius, angle = np.hypot(first, second), np.arctan2(second, first)
    patterns = (
        lambda: np.sin(10 * radius) > 0,  # rings
        lambda: np.sin(8.5 * first) > 0,  # stripes
        lambda: np.sin(6.5 * first) * np.sin(6.5 * second) > 0,  # chequers
        lambda: np.sin(5 * angle) > 0,  # spokes
        lambda: np.cos(8 * first) + np.cos(8 * second) > 0.6,  # dots
        lambda: np.minimum(abs(first), abs(second)) < 0.24,  # cross
    )
    return np.asarray(patterns[label - 1](), dtype=bool)
