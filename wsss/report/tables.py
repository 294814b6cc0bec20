"""Figures of published folders as one table: for people, CSV and LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

# Named alike in all stages, and shown in this order before the classes.
SUMMARY = ("mIoU", "mean_precision", "mean_recall", "pixel_accuracy", "false_positive", "false_negative")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


def figure_rows(figures: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[float | None]]]:
    """Figures side by side.

    Args:
        figures: name of an artifact -> its figures, as in a manifest.

    Returns:
        Rows of a name (mIoU, ..., each class) and one value in [0, 1] per artifact; None where it has none.
    """
    classes = dict.fromkeys(name for one in figures.values() for name in one.get("per_class_iou") or {})
    rows = [(name, [one.get(name) for one in figures.values()]) for name in SUMMARY]
    rows += [
        (name, [(one.get("per_class_iou") or {}).get(name) for one in figures.values()]) for name in classes
    ]
    return [row for row in rows if any(value is not None for value in row[1])]


def as_csv(names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    r"""The table as CSV, values in percent; empty where there is none.

    >>> as_csv(["seeds"], [("mIoU", [0.3456789]), ("a, b", [None])])
    'figure,seeds\nmIoU,34.5679\n"a, b",\n'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["figure", *names])
    for name, values in rows:
        writer.writerow([name, *("" if value is None else f"{100 * value:.4f}" for value in values)])
    return stream.getvalue()


def as_latex(names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    r"""The table as a LaTeX tabular, values in percent; it needs no package.

    >>> print(as_latex(["a_b"], [("mIoU", [0.5])]), end="")
    \begin{tabular}{lr}
    \hline
     & a\_b \\
    \hline
    mIoU & 50.0 \\
    \hline
    \end{tabular}
    """
    lines = [" & ".join(["", *map(_escape, names)])]
    body = [" & ".join([_escape(name), *map(percent, values)]) for name, values in rows]
    head = f"\\begin{{tabular}}{{l{'r' * len(names)}}}\n\\hline\n"
    return (
        head
        + "".join(f"{line} \\\\\n" for line in lines)
        + "\\hline\n"
        + "".join(f"{line} \\\\\n" for line in body)
        + "\\hline\n\\end{tabular}\n"
    )


def percent(value: float | None) -> str:
    """A share in percent with one decimal; a dash for none."""
    return "-" if value is None else f"{100 * value:.1f}"


def _escape(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
