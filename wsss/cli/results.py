"""``wsss results``: figures of finished runs as small JSON files, and the pages that are made from them."""

import csv
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wsss.artifacts import atomic_write, open_artifact
from wsss.cli.app import app
from wsss.cli.expected import differing_settings
from wsss.cli.grid_table import FIGURES
from wsss.cli.options import AsJson, console, from_here, print_json
from wsss.cli.plan import short_path
from wsss.cli.result_tables import FOLDER, PAGES, fill, load_tables, places
from wsss.cli.stages import MAKERS
from wsss.errors import ConfigError, DataError
from wsss.folder import manifests_in
from wsss.log import logger
from wsss.paths import PROJECT_ROOT

# Of a manifest, what tables show and what says which networks may be compared.
_KEPT = (
    "name", "kind", "dataset", "classes", "split", "count", "figures", "thresholds", "supervision", "network",
    "initialisation", "iterations", "scales", "flip", "weights", "seconds", "finished", "machine",
)  # fmt: skip
_LINE = 100
_COUNTS = ("random seed", *(f"{kind} seconds" for kind in ("seeds", "masks", "segment")))


@app.command(epilog="Example: wsss results --add work/voc --name voc_resnet50, then wsss results --write")
def results(
    add: Annotated[
        Path | None, typer.Option(help="A work folder with manifests, or the table.csv of a grid.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the file for --add. Default: that of the folder.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Fill the tables of the pages.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fill the tables of docs/results/*.md and other pages from docs/results/*.json; add a run to these.

    Without options: which tables there are, and which pages do not show them as they are (exit status 1).
    """
    if add is not None:
        _add(add, name)
        if not write:
            return
    tables = load_tables(FOLDER)
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = fill(old, tables, page.name)
        if new != old and write:
            with atomic_write(page) as temporary:
                temporary.write_text(new, encoding="utf-8")
            logger.info("%s is written", short_path(page))
        elif new != old:
            stale.append(short_path(page))
    if write:
        return
    if as_json:
        print_json({one: {"columns": table.columns, "rows": table.rows} for one, table in tables.items()})
    else:
        shown = {one for page in PAGES for one in places(page.read_text(encoding="utf-8"))}
        for one, table in tables.items():
            place = "" if one in shown else ", on no page"
            console().print(f"{one}: {len(table.rows)} rows{place}", highlight=False)
    if stale:
        raise DataError(
            f"expected the tables of docs/results/ in {', '.join(stale)}, got others: wsss results --write"
        )


def _add(source: Path, name: str) -> None:
    """Write the file of results of a work folder or of a grid."""
    where = from_here(source)
    assert where is not None  # from_here gives None for None alone
    if where.is_dir():
        content: dict[str, Any] = {"source": "manifests", "artifacts": describe_run(where)}
    elif where.suffix == ".csv" and where.is_file():
        content = {"source": "manifests", **describe_grid(where)}
    else:
        raise ConfigError(f"expected a work folder or the table.csv of a grid, got {source}: correct --add")
    file = FOLDER / f"{name or (where if where.is_dir() else where.parent).name}.json"
    kind = "artifacts" if "artifacts" in content else "grid"
    if file.is_file() and kind not in json.loads(file.read_text(encoding="utf-8")):
        raise ConfigError(f"expected a new name, got {file.stem}, which holds other tables: give --name")
    write_results(file, content)
    out = console()
    out.print(f"{short_path(file)}: give its tables a place in a page of docs/results/:", highlight=False)
    for one in load_tables(FOLDER):
        if one.startswith(f"{file.stem}."):
            out.print(f"<!-- table {one} -->\n<!-- end of table -->", highlight=False)


def describe_run(work_dir: Path) -> list[dict[str, Any]]:
    """The published artifacts of a work folder: figures, thresholds, commit, seconds, machine, command.

    Args:
        work_dir: holds ``seeds``, ``seeds-cam``, ``masks``, ...

    Returns:
        One table for each; ``differs`` has the settings that are not those of the preset.

    Raises:
        ArtifactError: a folder that is damaged.
        DataError: nothing is published there.
    """
    order = list(MAKERS)
    artifacts = [open_artifact(file.parent) for file in manifests_in(work_dir)]
    if not artifacts:
        raise DataError(f"expected published artifacts in {work_dir}, found none: correct --add")
    return [_describe(one.manifest) for one in sorted(artifacts, key=lambda one: order.index(one.kind))]


def _describe(manifest: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: manifest[key] for key in _KEPT if manifest.get(key) is not None}
    # Imported artifacts have no figures, thresholds or duration.
    absent = {"figures": {}, "thresholds": {}, "count": len(manifest["image_ids"]), "seconds": None}
    return (
        absent
        | kept
        | {
            "commit": manifest.get("code"),
            "command": without_folders(manifest.get("command") or ""),
            "differs": {name: _plain(value) for name, value in differing_settings(manifest).items()},
        }
    )


def describe_grid(file: Path) -> dict[str, Any]:
    """The rows of a grid's table that are done, with numbers as numbers.

    Raises:
        DataError: a file of another form, or no row that is done.
    """
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    if not rows or not {"dataset", "method", "refine", "random seed", "state"} <= set(rows[0]):
        raise DataError(f"expected the table of a grid at {file}, got another: correct --add")
    done: list[dict[str, Any]] = []
    for row in rows:
        if row["state"] == "done":
            numbers = {key: float(row[key]) for key in (*FIGURES, *_COUNTS) if row.get(key)}
            absent = {key: None for key in FIGURES if not row.get(key)}
            settings = "; ".join(_without_folder(one) for one in row["settings"].split("; "))
            words = {"settings": settings, "command": without_folders(row["command"])}
            done.append({**row, **absent, **numbers, **words})
    if not done:
        raise DataError(f"expected rows that are done in {file}, found none: run wsss benchmark again")
    return {"grid": done}


def write_results(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with what is short on one line: a row of a table, the IoUs of the classes."""
    with atomic_write(file) as temporary:
        temporary.write_text(_json(content, "") + "\n", encoding="utf-8")


def _json(value: Any, indent: str) -> str:
    line, deeper = json.dumps(value, ensure_ascii=False), f"{indent} "
    holds_tables = isinstance(value, Mapping | list) and any(
        isinstance(one, Mapping | list) for one in (value.values() if isinstance(value, Mapping) else value)
    )
    if not holds_tables and (len(line) < _LINE or isinstance(value, list)):
        return line
    if isinstance(value, Mapping):
        lines = (f"{deeper}{json.dumps(str(key))}: {_json(one, deeper)}" for key, one in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{deeper}{_json(one, deeper)}" for one in value) + f"\n{indent}]"
    return line


def without_folders(text: str) -> str:
    """Words that name a place of this machine shortened to their last part; those of the project stay.

    >>> without_folders("wsss run seeds voc --data-root /data/VOC2012 --cfg-options a=/b/c.pth")
    'wsss run seeds voc --data-root VOC2012 --cfg-options a=c.pth'
    """
    return shlex.join(_without_folder(word) for word in shlex.split(text))


def _without_folder(word: str) -> str:
    """A path, or the path of ``key=path``, shortened to its last part, or to its place in the project."""
    before, separator, path = word.replace(f"{PROJECT_ROOT}/", "").rpartition("=")
    return f"{before}{separator}{Path(path).name if path.startswith('/') else path}"


def _plain(value: Any) -> Any:
    """A setting without the folders of this machine."""
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value
