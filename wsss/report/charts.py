"""Charts of a page and of papers, drawn by matplotlib."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from wsss.log import printable
from wsss.report.curves import Curve

# Stands for the page's own colour of text, which differs between light and dark.
_INK = "#012345"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "wsss",  # the same figures give the same file
    "text.parse_math": False,  # a $ in a name is no formula
    "svg.fonttype": "none",  # text stays text: small, and readable aloud
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_MOST_TERMS = 6


def svg(draw: Callable[[Axes], None], *, size: tuple[float, float], title: str) -> str:
    """A chart as an SVG element that takes the page's colour of text.

    Args:
        draw: draws on the axes it gets.
        size: width and height in inches.
        title: what the chart shows, for those who cannot see it.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        stream = io.StringIO()
        # Without the time, the same figures give the same file.
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    text = stream.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor").replace("<svg", '<svg role="img"', 1)


def draw_class_bars(
    axes: Axes, scores: Mapping[str, Mapping[str, float | None]], classes: Sequence[str]
) -> None:
    """IoU per class as horizontal bars, one colour for each artifact.

    Args:
        axes: to draw on.
        scores: name of an artifact -> class -> IoU in [0, 1], or None where the class does not occur.
        classes: the classes, from top to bottom.
    """
    height = 0.85 / max(len(scores), 1)
    for number, (name, per_class) in enumerate(scores.items()):
        values = [100 * (per_class.get(one) or 0) for one in classes]
        axes.barh(np.arange(len(classes)) + number * height, values, height=height, label=_plain(name))
    axes.set_yticks(
        np.arange(len(classes)) + height * (len(scores) - 1) / 2, [_plain(one) for one in classes]
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("IoU %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(len(scores), 3))


def class_bars_size(scores: Mapping[str, object], classes: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches that `draw_class_bars` needs."""
    return 7.0, 1 + len(classes) * (0.12 + 0.08 * len(scores))


def draw_threshold_curves(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw mIoU over thresholds, with a mark at the one in use."""
    for curve in curves:
        (line,) = axes.plot(curve.thresholds, 100 * curve.scores, label=_plain(curve.name))
        value = curve.chosen.value
        if value is not None:
            score = 100 * float(np.interp(value, curve.thresholds, curve.scores))
            axes.plot([value], [score], "o", color=line.get_color())
            # Towards the middle, or the words would stick out of the page of a PDF.
            side = {"xytext": (-5, 5), "ha": "right"} if value > 0.75 else {"xytext": (5, 5)}
            axes.annotate(f"{value:g}: {score:.1f}", (value, score), textcoords="offset points", **side)
    axes.set_xlabel("threshold")
    axes.set_ylabel("mIoU %")
    axes.set_xlim(0, 1)
    axes.margins(y=0.1)
    axes.legend(loc="best")


def draw_losses(axes: Axes, terms: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Terms of a loss over the steps of a training; the logarithm where they differ much."""
    shown = dict(list(terms.items())[:_MOST_TERMS])
    first, *others = shown
    if others and shown[others[0]] == shown[first]:
        del shown[others[0]]  # the only term of a sum
    for name, points in shown.items():
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, marker="." if len(points) < 20 else "", label=_plain(name))
    positive = [value for points in shown.values() for _, value in points if value > 0]
    if positive and max(positive) > 50 * min(positive):
        axes.set_yscale("log")
        # matplotlib writes powers of ten as formulas, which nothing reads where a $ is no formula.
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("step")
    axes.legend(loc="best")


def _plain(text: str) -> str:
    """A name as a legend can show it: what begins with _ would be left out."""
    shown = printable(text)
    return f" {shown}" if shown.startswith("_") else shown
