"""Layers as pictures: over the image for people, and as small transparent PNGs for a page to stack."""

import base64
import io
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import IGNORE, voc_palette
from wsss.report.layers import CONFUSED, FALSE, MISSED, Layer

# Told apart by people who see colours differently too (Okabe and Ito, 2008).
ERRORS = {
    FALSE: ("foreground where there is none", (213, 94, 0)),
    MISSED: ("missed", (0, 114, 178)),
    CONFUSED: ("another class", (204, 121, 167)),
}
HEAT = "inferno"
_LEVELS = 16
_HEAT_SIDE = 96
_QUALITY = 60


def heat_colours() -> NDArray[np.uint8]:
    """Colours of soft maps: (16, 4) uint8 RGBA, from nothing (0) to opaque (1)."""
    levels = np.linspace(0, 1, _LEVELS)
    colours = (matplotlib.colormaps[HEAT](0.15 + 0.85 * levels) * 255).round().astype(np.uint8)
    colours[:, 3] = (255 * np.sqrt(levels)).round()
    return colours


def label_colours() -> NDArray[np.uint8]:
    """Colours of labels: (256, 4) uint8 RGBA, VOC's; background is transparent, 255 is white."""
    colours = np.full((256, 4), 255, np.uint8)
    colours[:, :3] = voc_palette()
    colours[0, 3] = 0
    colours[IGNORE, :3] = 255
    return colours


def error_colours() -> NDArray[np.uint8]:
    """Colours of errors: (4, 4) uint8 RGBA; what is right is transparent."""
    colours = np.zeros((4, 4), np.uint8)
    for value, (_, colour) in ERRORS.items():
        colours[value] = (*colour, 255)
    return colours


def draw_layer(
    image: NDArray[np.uint8], layer: Layer, *, opacity: float = 0.75, colours: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """A layer over its image.

    Args:
        image: (H, W, 3) uint8 RGB.
        layer: of this image, at any resolution.
        opacity: in [0, 1].
        colours: (N, 4) uint8 RGBA of the layer's values or levels; None: those of its style.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    values, own = indexed(layer)
    height, width = image.shape[:2]
    if layer.style == "heat":
        smooth = np.clip(layer.values.astype(np.float32), 0, 1)
        values = _levels(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR))
    drawn = (own if colours is None else colours)[values].astype(np.float32)
    share = opacity * drawn[:, :, 3:] / 255
    return np.round((1 - share) * image + share * drawn[:, :, :3]).astype(np.uint8)


def indexed(layer: Layer) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A layer as indices (h, w) uint8 into colours (N, 4) uint8 RGBA."""
    if layer.style == "heat":
        return _levels(layer.values.astype(np.float32)), heat_colours()
    return layer.values.astype(np.uint8), label_colours() if layer.style == "labels" else error_colours()


def embed_layer(layer: Layer, side: int) -> str:
    """A layer as a ``data:`` address of a small PNG with a transparent ground.

    Args:
        layer: what to draw. Soft maps keep at most 96 pixels and 16 levels: the browser smooths them.
        side: longer side of label maps in pixels, at most.
    """
    is_heat = layer.style == "heat"
    values = layer.values
    if is_heat:
        values = _shrink(values, _HEAT_SIDE, cv2.INTER_AREA)
    else:
        values = _shrink(values, side, cv2.INTER_NEAREST)
    index, colours = indexed(Layer(layer.name, layer.style, values))
    # Few colours take few bits: only those that occur are kept.
    used, compact = np.unique(index, return_inverse=True)
    picture = Image.fromarray(compact.reshape(index.shape).astype(np.uint8), mode="P")
    picture.putpalette(colours[used, :3].tobytes())
    bits = next(one for one in (1, 2, 4, 8) if 2**one >= len(used))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", bits=bits, transparency=colours[used, 3].tobytes(), optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def embed_image(image: NDArray[np.uint8], side: int) -> str:
    """A photo as a ``data:`` address.

    Args:
        image: (H, W, 3) uint8 RGB.
        side: longer side in pixels, at most.
    """
    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * (_LEVELS - 1)).astype(np.uint8)


def _shrink(values: NDArray[Any], side: int, how: int) -> NDArray[Any]:
    height, width = values.shape
    factor = side / max(height, width)
    if factor >= 1:
        return values
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(values, size, interpolation=how)
