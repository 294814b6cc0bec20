"""Tables of figures from small JSON files, and the pages that show them between markers."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.cli.grid_table import BASELINES, FIGURES, means
from wsss.comparison import shares_of_full_supervision
from wsss.errors import DataError
from wsss.paths import PROJECT_ROOT
from wsss.thresholds import Threshold

FOLDER = PROJECT_ROOT / "docs" / "results"
PAGES = (
    *(PROJECT_ROOT / name for name in ("docs/results.md", "docs/localization.md", "README.md")),
    *sorted(FOLDER.glob("*.md")),
)
END = "<!-- end of table -->"
_PLACE = re.compile(rf"<!-- table (\S+) -->\n.*?{END}", re.DOTALL)
# A cell of another table: {FILE.TABLE|start of the row|column}.
_REFERENCE = re.compile(r"\{([\w.]+)\|([^{}|]+)\|([^{}|]+)\}")
# Columns of a grid that are the same for all methods, and rows of the table.
_LOOKING_AT_NONE = {column for figures in BASELINES.values() for column in figures.values()}
# Which threshold a figure rests on, in the order of the stages.
_THRESHOLDS = ("seed", "background_score", "threshold")
_PROVENANCE = ("commit", "machine", "command")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as a page shows it.

    Attributes:
        columns: their names.
        rows: text or numbers, one for each column.
        note: lines below it: where its figures come from; "" where the page says so.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""

    def cell(self, row: str, column: str) -> Any:
        """A value by its column and the start of its row, cells parted by spaces; None where not one fits."""
        found = [one for one in self.rows if " ".join(map(str, one)).startswith(row)]
        return found[0][self.columns.index(column)] if len(found) == 1 and column in self.columns else None

    def markdown(self) -> str:
        """The table and its note."""
        lines = [_line(self.columns), "|" + "---|" * len(self.columns), *(_line(row) for row in self.rows)]
        return "\n".join([*lines, *(("", self.note) if self.note else ())])


def load_tables(folder: Path = FOLDER) -> dict[str, Table]:
    """All tables of a folder of result files.

    Args:
        folder: holds ``NAME.json``. Such a file has tables as they are (``tables``), facts of published
            artifacts (``artifacts``), rows of a grid (``grid``) or ratios of benchmarks (``ratios``).

    Returns:
        ``NAME.TABLE`` -> the table, references to cells of other tables filled in.

    Raises:
        DataError: a file that is none of these, or a reference that leads nowhere.
    """
    tables = {
        f"{file.stem}.{name}": table
        for file in sorted(folder.glob("*.json"))
        for name, table in _tables_of(file).items()
    }
    return {name: _resolved(table, tables, folder / name) for name, table in tables.items()}


def fill(page: str, tables: Mapping[str, Table], where: str) -> str:
    """A page with all tables between ``<!-- table NAME -->`` and ``<!-- end of table -->`` as they are today.

    Args:
        page: its text.
        tables: by name.
        where: name of the page, for the message.

    Raises:
        DataError: a place for a table that no file has.
    """

    def table(found: re.Match[str]) -> str:
        name = found[1]
        if name not in tables:
            raise DataError(
                f"expected a table out of {', '.join(sorted(tables))}, got {name} in {where}: correct its "
                "marker or add the file"
            )
        return f"<!-- table {name} -->\n{tables[name].markdown()}\n{END}"

    return _PLACE.sub(table, page)


def places(page: str) -> list[str]:
    """Names of the tables that a page has a place for."""
    return [found[1] for found in _PLACE.finditer(page)]


def _tables_of(file: Path) -> dict[str, Table]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if "artifacts" in content:
            return _of_artifacts(content["artifacts"])
        if "grid" in content:
            return _of_grid(content)
        if "ratios" in content:
            columns = ("benchmark", "ratio", "of what", "seconds")
            note = f"{_note([('', content)])}; beside it: {content['beside']}"
            return {"ratios": Table(columns, content["ratios"], note)}
        return {name: Table(one["columns"], one["rows"]) for name, one in content["tables"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"expected a file of results at {file}, got {error!r}: make it with wsss results --add"
        ) from error


def _of_artifacts(artifacts: Sequence[Mapping[str, Any]]) -> dict[str, Table]:
    """Published artifacts: a row for each, and a table of the classes."""
    shares = shares_of_full_supervision({one["name"]: one for one in artifacts})
    rows: list[list[Any]] = []
    for one in artifacts:
        chosen = (Threshold.of_json(one["thresholds"].get(name)) for name in _THRESHOLDS)
        how = [str(next(filter(None, chosen), one.get("supervision") or ""))]
        how += [f"{100 * share:.0f} % of {full}" for full, share in shares.get(one["name"], {}).items()]
        # A command says it as it was typed.
        how += [] if one["command"] else [f"{name}={value}" for name, value in one["differs"].items()]
        score, on = percent(one["figures"].get("mIoU")), f"{one['split']}, {one['count']}"
        rows.append(
            [one["name"], score, on, "; ".join(filter(None, how)), one["seconds"] and round(one["seconds"])]
        )
    columns = ("artifact", "mIoU", "on", "how", "seconds")
    note = _note([(one["name"], one) for one in artifacts])
    tables = {"artifacts": Table(columns, rows, note)}
    scored = [one for one in artifacts if one["figures"].get("per_class_iou")]
    if scored:
        names = list(dict.fromkeys(name for one in scored for name in one["figures"]["per_class_iou"]))
        classes = [
            [name, *(percent(one["figures"]["per_class_iou"].get(name)) for one in scored)] for name in names
        ]
        tables["classes"] = Table(("class", *(one["name"] for one in scored)), classes)
    return tables


def _of_grid(content: Mapping[str, Any]) -> dict[str, Table]:
    """A grid: for each data set the means over random seeds."""
    rows, tables = content["grid"], {}
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        found = means(own)
        columns = [
            name for name in FIGURES if name not in _LOOKING_AT_NONE and any(one.get(name) for one in found)
        ]
        has_masks = any(row["refine"] for row in own)
        body = [
            [one["method"], *([one["refine"]] if has_masks else ()), one["random seeds"]]
            + [_spread(one.get(name)) for name in columns]
            for one in found
        ]
        for name, figures in BASELINES.items():
            same = [own[0].get(figures.get(one, "")) for one in columns]
            if any(same):
                body.append([name, *([""] if has_masks else ()), "", *(_number(one) for one in same)])
        head = ("method", *(["refine"] if has_masks else ()), "random seeds", *columns)
        facts = [(row["method"], {**content, **row}) for row in own]
        tables[dataset] = Table(head, body, _note(facts))
    return tables


def percent(value: float | None) -> str:
    """A share of 1 in percent with one digit; nothing for None."""
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _spread(value: Sequence[float | None] | None) -> str:
    """A mean and its deviation, in percent."""
    if value is None:
        return ""
    mean, deviation = value
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def _note(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Commit, machine and command: what all rows share on one line, then the rest as a list of the rows.

    Args:
        rows: the name of each row, and the facts of its run.
    """
    runs = [{key: one[key] for key in _PROVENANCE if one.get(key)} for _, one in rows]
    shared = {key: runs[0][key] for key in runs[0] if all(one.get(key) == runs[0][key] for one in runs)}
    groups: dict[str, dict[str, None]] = {}
    for (row, _), one in zip(rows, runs, strict=True):
        rest = _provenance({key: value for key, value in one.items() if key not in shared})
        groups.setdefault(rest, {})[row] = None
    lines = [f"- {', '.join(names)}: {rest}" for rest, names in groups.items() if rest]
    return "\n\n".join(filter(None, (_provenance(shared), "\n".join(lines))))


def _provenance(facts: Mapping[str, str]) -> str:
    shown = {"commit": "commit {}", "command": "`{}`"}
    return "; ".join(shown.get(key, "{}").format(value) for key, value in facts.items())


def _resolved(table: Table, tables: Mapping[str, Table], where: Path) -> Table:
    """A table whose references are the cells that they name."""

    def value(found: re.Match[str]) -> str:
        name, row, column = found.groups()
        cell = tables[name].cell(row, column) if name in tables else None
        if cell is None:
            raise DataError(
                f"expected a reference to one cell, got {found[0]} in {where}: correct table, row or column"
            )
        return str(cell)

    rows = [
        [_REFERENCE.sub(value, one) if isinstance(one, str) else one for one in row] for row in table.rows
    ]
    return dataclasses.replace(table, rows=rows)


def _line(cells: Sequence[Any]) -> str:
    """A row in Markdown; an empty cell as one would type it."""
    shown = ("" if one is None else str(one) for one in cells)
    return "|" + "".join(f" {one} |" if one else " |" for one in shown)
