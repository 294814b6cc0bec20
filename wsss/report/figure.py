"""Single images with all their layers, as a figure for papers, a PNG, or coloured cells in a terminal."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from wsss.artifacts import IGNORE, atomic_write, voc_palette
from wsss.log import printable
from wsss.metrics import confusion_matrix, iou, mean_iou
from wsss.report import charts
from wsss.report.curves import Curve
from wsss.report.layers import TRUTH, Layer, Layers
from wsss.report.pictures import ERRORS, draw_layer, heat_colours

_IMAGE = "image"
_INCHES = 2.1
_CHARACTERS = 40  # that fit above a picture
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

    Above labels stands how well they fit that image's ground truth: the mean IoU in percent over background
    and the classes that occur in either, then the IoU of these classes; ignored pixels are left out.

    Args:
        read: the images.
        names: the columns, out of `layer_names`.
        classes: names of the labels 1..C.
    """
    rows = [(one, number) for one in read for number in range(_rows_of(one, names))]
    shapes = [one.image.shape[0] / one.image.shape[1] for one, _ in rows]
    with matplotlib.rc_context(_STYLE):
        # Above each picture stand up to three lines.
        height = _INCHES * sum(shapes) + 0.5 * len(rows) + 1.0
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
        if any(layer.style == "heat" and layer.name in names for one in read for layer in one.layers):
            _draw_heat_bar(figure, axes)
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
    below = ""
    if layer is not None:
        below = classes[layer.label - 1] if layer.label else _fit(read, layer, classes)
    return picture, f"{name}\n{below}" if below else name


def _fit(read: Layers, layer: Layer, classes: Sequence[str]) -> str:
    """IoU of labels with the image's ground truth, in percent; empty where there is none to compare."""
    truth = _layer(read, TRUTH, 0)
    if truth is None or layer is truth or layer.style != "labels":
        return ""
    unsure = layer.values == IGNORE
    confusion = confusion_matrix(
        np.where(unsure, 0, layer.values), np.where(unsure, IGNORE, truth.values), len(classes)
    )
    per_class = [
        f"{name} {100 * value:.0f}"
        for name, value in zip(classes, iou(confusion)[1:], strict=True)
        if value >= 0
    ]
    whole = f"mIoU {100 * mean_iou(confusion):.1f}"
    if unsure.any():
        whole += f" of the sure {100 * (1 - unsure.mean()):.0f} %"
    return textwrap.fill(f"{whole}: {', '.join(per_class)}" if per_class else whole, _CHARACTERS, max_lines=2)


def _draw_heat_bar(figure: Figure, axes: NDArray[Any]) -> None:
    """What the colours of soft maps mean, as they look over middle grey."""
    levels = np.linspace(0, 1, len(heat_colours()), dtype=np.float32)[None]
    grey = np.full((1, levels.shape[1], 3), 128, np.uint8)
    colours = draw_layer(grey, Layer("", "heat", levels))[0] / 255
    columns = axes.shape[1]
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), ListedColormap(colours)),
        ax=axes.ravel().tolist(),
        location="bottom",
        shrink=min(1.0, 1.5 / columns),
        aspect=25,
        pad=0.02,
        ticks=[0, 0.25, 0.5, 0.75, 1],
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6, length=2)
    bar.set_label("maps: from 0 to 1", fontsize=7)


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
