"""The report's pictures and charts, as text that an HTML page holds."""

import base64
import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import IGNORE, Seed, voc_palette
from wsss.log import printable

_SIDE = 240
_QUALITY = 85


def draw_seed(image: NDArray[np.uint8], seed: Seed) -> NDArray[np.uint8]:
    """The highest of an image's maps over the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        seed: its maps; without any, the image comes out as it is.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if len(seed.classes) == 0:
        return image
    highest = seed.upsample().max(axis=0)
    heat = matplotlib.colormaps["viridis"](highest)[:, :, :3] * 255
    return np.round(0.4 * image + 0.6 * heat).astype(np.uint8)


def draw_labels(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label map in VOC's colours over the image; ignored pixels are white, background stays."""
    colours = voc_palette()
    colours[IGNORE] = 255
    drawn = np.round(0.35 * image + 0.65 * colours[mask]).astype(np.uint8)
    return np.where((mask == 0)[:, :, None], image, drawn)


def embed_image(image: NDArray[np.uint8]) -> str:
    """A picture as a ``data:`` address, its longer side at most 240 pixels.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    picture = Image.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def chart_classes(scores: Mapping[str, Mapping[str, float | None]], classes: Sequence[str]) -> str:
    """IoU per class as horizontal bars, one colour for each artifact.

    Args:
        scores: name of an artifact -> class -> IoU in [0, 1], or None where the class does not occur.
        classes: the classes, from top to bottom.

    Returns:
        The chart as an SVG element.
    """
    # Without the time and with fixed names, the same figures give the same file. A $ in a name is no formula.
    with matplotlib.rc_context({"svg.hashsalt": "wsss", "text.parse_math": False}):
        figure = Figure(figsize=(7, 1 + 0.16 * len(classes) * (len(scores) + 1)), layout="constrained")
        axes = figure.subplots()
        height = 1 / (len(scores) + 1)
        for number, (name, per_class) in enumerate(scores.items()):
            values = [100 * (per_class.get(one) or 0) for one in classes]
            axes.barh(np.arange(len(classes)) + number * height, values, height=height, label=printable(name))
        axes.set_yticks(
            np.arange(len(classes)) + height * (len(scores) - 1) / 2, list(map(printable, classes))
        )
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("IoU %")
        axes.legend(loc="lower right")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
