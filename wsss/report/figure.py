"""Single images with all their layers, as a figure for papers, a PNG, or coloured cells in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from wsss.artifacts import IGNORE, atomic_write, voc_palette
from wsss.log import printable
from wsss.report import charts
from wsss.report.curves import Curve
from wsss.report.layers import Layer, Layers
from wsss.report.pictures import ERRORS, draw_layer

_IMAGE = "image"
_INCHES = 2.1
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 8,
    "legend.frameon": False,
}


def layer_names(read: Sequence[Layers]) -> list[str]:
    """Names of the layers of some images in the order of the pipeline; the image itself comes first."""
    return list(dict.fromkeys([_IMAGE, *(layer.name for one in read for layer in one.layers)]))


def draw_images(read: Sequence[Layers], names: Sequence[str], classes: Sequence[str]) -> Figure:
    """A grid: a row for each image and class map, a column for each layer, and the colours below it.

    Args:
        read: the images.
        names: the columns, out of `layer_names`.
        classes: names of the labels 1..C.
    """
    rows = [(one, number) for one in read for number in range(_rows_of(one, names))]
    shapes = [one.image.shape[0] / one.image.shape[1] for one, _ in rows]
    with matplotlib.rc_context(_STYLE):
        # Above each picture stand two lines.
        height = _INCHES * sum(shapes) + 0.4 * len(rows) + 0.6
        figure = Figure(figsize=(_INCHES * len(names), height), layout="constrained")
        axes = figure.subplots(len(rows), len(names), squeeze=False, gridspec_kw={"height_ratios": shapes})
        for row, (one, number) in enumerate(rows):
            for column, name in enumerate(names):
                picture, title = _cell(one, name, number, classes)
                shown = axes[row, column]
                shown.set_axis_off()
                if picture is not None:
                    shown.imshow(picture)
                    shown.set_title(printable(title), fontsize=7)
        figure.legend(handles=_legend(read, names, classes), loc="outside lower center", ncols=6)
    return figure


def write_figure(
    path: Path,
    read: Sequence[Layers],
    names: Sequence[str],
    classes: Sequence[str],
    *,
    curves: Sequence[Curve] = (),
    scores: Mapping[str, Mapping[str, float | None]] | None = None,
) -> None:
    """Write the grid of `draw_images`: as PNG, or as PDF with further pages.

    Args:
        path: ends in ``.png``, ``.pdf`` or ``.svg``.
        read: the images.
        names: the columns.
        classes: names of the labels 1..C.
        curves: threshold curves, on a page of their own in a PDF.
        scores: artifact -> class -> IoU, as bars on a page of their own in a PDF.
    """
    figure = draw_images(read, names, classes)
    with atomic_write(path) as temporary:
        if path.suffix.lower() != ".pdf":
            figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
            return
        # Without the time, the same content gives the same file.
        with PdfPages(temporary, metadata={"CreationDate": None}) as pages, matplotlib.rc_context(_STYLE):
            pages.savefig(figure, dpi=150)
            if curves:
                page = Figure(figsize=(7, 3.6), layout="constrained")
                charts.draw_threshold_curves(page.subplots(), curves)
                pages.savefig(page)
            if scores:
                shown = list(dict.fromkeys(name for one in scores.values() for name in one))
                page = Figure(figsize=charts.class_bars_size(scores, shown), layout="constrained")
                charts.draw_class_bars(page.subplots(), scores, shown)
                pages.savefig(page)


def terminal_rows(pictures: Iterable[NDArray[np.uint8]], width: int) -> list[Text]:
    """Pictures side by side as half blocks, two pixels in each cell, for terminals with 24-bit colours.

    Args:
        pictures: (H, W, 3) uint8 RGB, all of one size.
        width: columns of the terminal.
    """
    shown = list(pictures)
    cells = max((width - len(shown) + 1) // len(shown), 4)
    height = max(round(shown[0].shape[0] / shown[0].shape[1] * cells / 2), 1)
    small = [cv2.resize(one, (cells, 2 * height), interpolation=cv2.INTER_AREA) for one in shown]
    lines = []
    for row in range(height):
        line = Text()
        for number, one in enumerate(small):
            line.append(" " if number else "")
            for upper, lower in zip(one[2 * row].tolist(), one[2 * row + 1].tolist(), strict=True):
                line.append("▀", Style(color=_rgb(upper), bgcolor=_rgb(lower)))
        lines.append(line)
    return lines


def drawn(read: Layers, name: str, number: int = 0) -> NDArray[np.uint8] | None:
    """One layer of an image over it, (H, W, 3) uint8 RGB; None where it has none.

    Args:
        read: the image.
        name: of the layer, or ``image``.
        number: which of its layers of that name: class maps have one for each class.
    """
    layer = _layer(read, name, number)
    if layer is None:
        return read.image if name == _IMAGE and number == 0 else None
    return draw_layer(read.image, layer)


def _layer(read: Layers, name: str, number: int) -> Layer | None:
    found = [one for one in read.layers if one.name == name]
    return found[number] if number < len(found) else None


def _rows_of(read: Layers, names: Sequence[str]) -> int:
    """As many as an image has maps of one name."""
    return max(1, *(sum(layer.name == name for layer in read.layers) for name in names))


def _cell(
    read: Layers, name: str, number: int, classes: Sequence[str]
) -> tuple[NDArray[np.uint8] | None, str]:
    picture, layer = drawn(read, name, number), _layer(read, name, number)
    if name == _IMAGE:
        return picture, f"{read.image_id}\n{', '.join(read.tags)}"
    of = f"\n{classes[layer.label - 1]}" if layer is not None and layer.label else ""
    return picture, f"{name}{of}"


def _legend(read: Sequence[Layers], names: Sequence[str], classes: Sequence[str]) -> list[Patch]:
    """Colours of the labels and errors that occur in the columns."""
    labels: set[int] = set()
    errors: set[int] = set()
    for layer in (layer for one in read for layer in one.layers if layer.name in names):
        if layer.style != "heat":
            (labels if layer.style == "labels" else errors).update(np.unique(layer.values).tolist())
    palette = voc_palette()
    handles = [
        Patch(facecolor=_share(palette[label].tolist()), label=printable(classes[label - 1]))
        for label in sorted(labels)
        if 0 < label <= len(classes)
    ]
    if IGNORE in labels:
        handles.append(Patch(facecolor="white", edgecolor="black", label="ignored"))
    for kind, (text, colour) in ERRORS.items():
        if kind in errors:
            handles.append(Patch(facecolor=_share(colour), label=text))
    return handles


def _share(colour: Sequence[int]) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255


def _rgb(colour: Sequence[int]) -> str:
    return f"rgb({colour[0]},{colour[1]},{colour[2]})"
