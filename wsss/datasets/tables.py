"""Tables of tags as people write them: Excel's separators and byte-order marks, tags parted in three ways."""

import csv
import dataclasses
import io
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from wsss.errors import DataError

COLUMNS = ("file", "tags")
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SAVE = "save it again as UTF-8 (Excel: 'CSV UTF-8')"


@dataclasses.dataclass(frozen=True)
class Row:
    """One image of a table.

    Attributes:
        line: where it stands in the file, from 1.
        cells: column -> text.
        tags: names, in the spelling that the whole table agrees on.
    """

    line: int
    cells: Mapping[str, str]
    tags: tuple[str, ...]


def read_table(path: Path, *, classes: Sequence[str] | None = None) -> tuple[list[Row], tuple[str, ...]]:
    """Rows of a CSV with the columns ``file`` and ``tags``, whatever program wrote it.

    Cells are separated by comma, semicolon or tab, as the first line shows; Excel's ``sep=;`` above it and
    a byte-order mark are known. Tags are separated by semicolon or comma, in one cell or in further cells of
    the row; by spaces where the table has neither and each word is a tag of its own elsewhere. Names that
    differ in case or spaces alone are one class.

    Args:
        path: the CSV, UTF-8 or with a byte-order mark.
        classes: spellings that win; None: the most frequent one of each name.

    Returns:
        The rows, and what was understood beyond commas and semicolons, in words.

    Raises:
        DataError: the file is absent, in another encoding, or has faulty rows.
    """
    text, remarks = _read_text(path)
    delimiter, text, skipped = _delimiter(text)
    if delimiter != ",":
        remarks.append(f"cells are separated by {_DELIMITERS[delimiter]}")
    parted = _rows(text, delimiter, path, skipped)
    separator = _tag_separator([cell for _, _, cells in parted for cell in cells], classes or ())
    if separator != ";":
        remarks.append(f"tags are separated by {'comma' if separator == ',' else 'space'}")
    elif any("," in cell for _, _, cells in parted for cell in cells):
        remarks.append("tags are separated by semicolon in some rows and by comma in others")
    found = [
        (line, cells, [tag for cell in tags for tag in _split(cell, separator)])
        for line, cells, tags in parted
    ]
    spelling, same = _spellings([tag for _, _, tags in found for tag in tags], classes or ())
    remarks += same
    if separator != " ":
        spaced = sorted({one for one in spelling.values() if " " in one})
        if spaced:
            remarks.append(
                f"{', '.join(map(repr, spaced[:5]))} {'is one name' if len(spaced) == 1 else 'are names'} "
                "with a space; separate tags by ;"
            )
    rows = [
        Row(line, cells, tuple(dict.fromkeys(spelling[likeness(tag)] for tag in tags)))
        for line, cells, tags in found
    ]
    return rows, tuple(f"{path.name}: {one}" for one in remarks)


def likeness(name: str) -> str:
    """What two names share that differ in case, spaces or the composition of their letters alone.

    >>> likeness("Traffic  Light") == likeness("traffic light") == likeness("trafficlight")
    True
    """
    return "".join(unicodedata.normalize("NFC", name).split()).casefold()


def _read_text(path: Path) -> tuple[str, list[str]]:
    try:
        content = path.read_bytes()
        encoding = _BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig")
        text = content.decode(encoding)
    except FileNotFoundError as error:
        raise DataError(
            f"expected a CSV with the columns {', '.join(COLUMNS)} at {path}, found no file: write it or set "
            "dataset.labels"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a CSV in UTF-8 at {path}, got: {error}: {_SAVE}") from error
    return text, [] if encoding == "utf-8-sig" else ["the file is in UTF-16"]


def _delimiter(text: str) -> tuple[str, str, int]:
    """Separator of cells, the text from the names of the columns on, and the lines before them."""
    first, _, rest = text.partition("\n")
    first = first.strip()
    if first.lower().startswith("sep=") and first[4:] in _DELIMITERS:
        return first[4:], rest, 1
    names = {one: [cell.strip(' "').lower() for cell in first.split(one)] for one in _DELIMITERS}
    fitting = [one for one, cells in names.items() if set(COLUMNS) <= {*cells}]
    return (fitting or [max(names, key=lambda one: len(names[one]))])[0], text, 0


def _rows(text: str, delimiter: str, path: Path, skipped: int) -> list[tuple[int, dict[str, str], list[str]]]:
    """Line, cells and the cells with tags of each row that holds something."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"expected a CSV at {path}, got: {error}: correct line {reader.line_num}") from error
    header = [name.lower() for name in lines[0][1]] if lines else []
    lacking = [column for column in COLUMNS if column not in header]
    if lacking:
        raise DataError(
            f"expected the columns {', '.join(COLUMNS)} in {path}, got {', '.join(header) or 'none'}: add "
            f"{' and '.join(lacking)} to its first line"
        )
    rows = [
        (line, *_parts(cells, header, f"line {line} of {path}")) for line, cells in lines[1:] if any(cells)
    ]
    if not rows:
        raise DataError(f"expected a row for each image in {path}, got none: fill it")
    return rows


def _parts(cells: list[str], header: list[str], where: str) -> tuple[dict[str, str], list[str]]:
    """Cells by column, and the tags: cells beyond the last column belong to them if it is theirs."""
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) < len(header) or (len(cells) > len(header) and header[-1] != "tags"):
        raise DataError(
            f"expected as many cells as columns ({len(header)}) in {where}, got {len(cells)}: make 'tags' "
            'the last column, or put a cell with separators in quotes: "dog;cat"'
        )
    named = dict(zip(header, cells, strict=False))
    return named, [named["tags"], *cells[len(header) :]]


def _tag_separator(cells: Sequence[str], classes: Sequence[str]) -> str:
    """Semicolon, comma or space: what parts the tags of one cell in this table."""
    for separator in (";", ","):
        if any(separator in cell for cell in cells):
            return separator
    known = {likeness(one) for one in classes} | {likeness(one) for one in cells if " " not in one}
    spaced = [cell for cell in cells if " " in cell and likeness(cell) not in known]
    if spaced and all(likeness(word) in known for cell in spaced for word in cell.split()):
        return " "
    return ";"


def _split(cell: str, separator: str) -> list[str]:
    """Names in one cell; a comma parts names beside semicolons too."""
    parts = cell.split() if separator == " " else cell.replace(",", ";").split(";")
    return [" ".join(part.split()) for part in parts if part.strip()]


def _spellings(tags: Sequence[str], classes: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Likeness -> the spelling that stands for it, and which spellings were put together, in words."""
    written: dict[str, Counter[str]] = defaultdict(Counter)
    for tag in tags:
        written[likeness(tag)][tag] += 1
    given = {likeness(one): one for one in classes}
    # The most frequent one; of equals the last in the alphabet, which is the one in small letters.
    spelling = {
        like: given.get(like) or max(counts, key=lambda one: (counts[one], one))
        for like, counts in written.items()
    }
    same = [
        f"{' and '.join(map(repr, sorted(counts)))} are one class, {spelling[like]!r}"
        for like, counts in sorted(written.items())
        if len(counts) > 1
    ]
    return spelling, same
