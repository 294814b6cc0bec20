"""``wsss status``: what is published, from what, with which figures, and what is stale and why."""

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from wsss.artifacts import MANIFEST
from wsss.cli.app import app
from wsss.cli.options import (
    AsJson,
    CfgOptions,
    DataRoot,
    console,
    from_here,
    narrow_table,
    print_json,
    with_root,
)
from wsss.cli.stages import settings_by_folder
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.presets import find_config
from wsss.status import describe_work

_REASONS = 4
# Columns that stay on one line; the others fold where 80 letters are too few.
_WHOLE = ("state", "mIoU", "images", "finished")


@app.command(epilog="Example: wsss status voc")
def status(
    dataset: Annotated[str | None, typer.Argument(help="A preset's name. Default: all in work/.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Default: work/DATASET")] = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read the content of all files too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is published, from what and with which figures, and what is stale and why.

    Artifacts are compared with the settings that each was made with, and it is said how these differ from the
    preset; give options to see instead whether a run with them would find all up to date. Data are looked
    for where the preset says, or in --data-root. With --deep, files that are not as they were published are
    named, and the exit status is 1 if there are any.
    """
    folders = {dataset: from_here(work_dir) or PROJECT_ROOT / "work" / dataset} if dataset else _all_folders()
    options = with_root(cfg_options, data_root)
    if dataset is None and (options or work_dir is not None):
        raise ConfigError("expected a data set with these options, got none: wsss status DATASET ...")
    if dataset is not None and not folders[dataset].is_dir():
        find_config("seeds", dataset)
    rows = {
        name: describe_work(folder, settings_by_folder(name, options), as_made=not cfg_options, deep=deep)
        for name, folder in folders.items()
    }
    if as_json:
        print_json(rows)
    for name, folder in folders.items() if not as_json else ():
        if rows[name]:
            _print(rows[name], title=f"{name}: {folder}")
        else:
            logger.info("nothing is published in %s: tools/run_stage.sh all %s", folder, name)
    if any(row.get("damaged") for found in rows.values() for row in found):
        raise typer.Exit(1)


def _all_folders() -> dict[str, Path]:
    found = sorted({file.parent.parent for file in (PROJECT_ROOT / "work").glob(f"*/*/{MANIFEST}")})
    return {folder.name: folder for folder in found}


def _print(rows: list[dict[str, Any]], *, title: str) -> None:
    table = narrow_table("artifact", "state", "mIoU", "images", "from", "finished", whole=_WHOLE, title=title)
    for row in rows:
        score = row.get("mIoU")
        table.add_row(
            row["name"],
            row["state"],
            "-" if score is None else f"{100 * score:.1f}",
            f"{row.get('images', '')} {row.get('split', '')}".strip(),
            ", ".join(row.get("inputs", ())),
            _moment(row.get("finished")),
        )
    out = console()
    out.print(table)
    for code, names in _by_code(rows).items():
        out.print(f"{', '.join(names)}: made by code {code}", highlight=False)
    for row in rows:
        if row["differs"]:
            out.print(f"{row['name']} has own settings: {_shorten(row['differs'])}", highlight=False)
        if row["why"]:
            out.print(f"{row['name']} is {row['state']}: {_shorten(row['why'])}", highlight=False)
        for line in _content(row):
            out.print(line, highlight=False)


def _content(row: dict[str, Any]) -> list[str]:
    """What reading all files found: every damaged one, and what mends them."""
    if "damaged" not in row or row["state"] == "unfinished":
        return []
    name, damaged = row["name"], row["damaged"]
    if damaged:
        advice = f"{name}: {len(damaged)} damaged: wsss repair, with the words of the run, remakes them"
        return [*(f"{name}/{one}" for one in damaged), advice]
    if not row["checked"]:
        return [f"{name}: not checked, published without hashes of its files (by an older version)"]
    return [f"{name}: all {row['checked']} files are as they were published"]


def _moment(finished: str | None) -> str:
    """A time of a manifest in the reader's clock, without seconds."""
    if not finished:
        return ""
    try:
        return datetime.datetime.fromisoformat(finished).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return "no time"  # a damaged manifest, or a stranger's


def _by_code(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Commit -> names of what it made."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("code"):
            found.setdefault(row["code"], []).append(row["name"])
    return found


def _shorten(reasons: list[str]) -> str:
    """The first few reasons in one line; ``--json`` has all."""
    more = len(reasons) - _REASONS
    return "; ".join(reasons[:_REASONS]) + (f"; and {more} more (--json)" if more > 0 else "")
