"""Options that several verbs share, and how their values are read."""

import enum
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsss.config import load_dataset_settings
from wsss.errors import ConfigError
from wsss.log import printable


class Frame(str, enum.Enum):
    """What becomes of photos whose EXIF headers ask to be turned."""

    APPLY = "apply"
    KEEP = "keep"


Exif = Annotated[
    Frame | None,
    typer.Option(
        help="apply: photos are turned as their headers ask, masks lie as viewers show them (the default of "
        "own images); keep: pixels and masks as they are stored."
    ),
]
DataRoot = Annotated[Path | None, typer.Option(help="Where the data set lies.")]
CfgOptions = Annotated[list[str] | None, typer.Option(help="Override settings: a.b=value c=value.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def from_here(path: Path | None) -> Path | None:
    """Paths on the command line start at the folder that the command is given in, not at the project."""
    return None if path is None else path.expanduser().absolute()


def is_there(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Let a path of the call through that leads somewhere; a callback of typer.

    Raises:
        ConfigError: nothing is there.
    """
    path = from_here(value)
    if path is not None and not path.exists():
        name = next((one for one in param.opts if one.startswith("-")), str(param.name).upper())
        raise ConfigError(
            f"expected a file or folder at {path}, found none: correct {name}, or make it first"
        )
    return value


def exif_option(exif: Frame | None, dataset: str) -> list[str]:
    """The override that ``--exif`` stands for.

    Raises:
        ConfigError: a data set whose ground truth is drawn on the pixels as they are stored.
    """
    if exif is None:
        return []
    if "exif" not in load_dataset_settings(dataset):
        raise ConfigError(f"expected --exif with your own images (folder), got {dataset}: leave it out")
    return [f"dataset.exif={exif.value}"]


def with_root(options: list[str] | None, data_root: Path | None) -> list[str]:
    """Overrides of the settings, ``--data-root`` among them."""
    return [*(options or ()), *([] if data_root is None else [f"dataset.root={from_here(data_root)}"])]


def print_json(content: Any) -> None:
    """Write a result to stdout as JSON, for programs."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def narrow_table(*heads: str, whole: Collection[str] = (), title: str | None = None) -> Table:
    """A table without walls, for 80 letters a line.

    Args:
        heads: of the columns.
        whole: those that stay on one line; the others fold, between words where they can.
        title: what stands above it.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in whole)
    return table


class _PlainConsole(Console):
    """A console on which names are names: neither rich's markup nor a terminal's control characters count."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it stands."""
        return super().render_str(printable(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; the title of a table stands on a line of its own, as rich breaks it at the table's width."""
        for one in objects:
            if isinstance(one, Table) and one.title:
                super().print(str(one.title), highlight=False, soft_wrap=True)
                one.title = None
        super().print(*objects, **options)


def console() -> Console:
    """Where tables for people go."""
    return _PlainConsole(markup=False, emoji=False)
