"""``wsss doctor``: whether this machine can run the pipeline."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from wsss.cli.app import app
from wsss.cli.options import AsJson, console, from_here, print_json
from wsss.doctor import examine
from wsss.paths import PROJECT_ROOT


@app.command(epilog="Example: wsss doctor --json")
def doctor(
    work_dir: Annotated[Path | None, typer.Option(help="Where artifacts will go. Default: work")] = None,
    as_json: AsJson = False,
) -> None:
    """Check versions, GPU, dense CRF, memory, disk and data; exit status 1 if something is bad.

    What is merely missing, such as a data set or a GPU, is no failure.
    """
    checks = examine(from_here(work_dir) or PROJECT_ROOT / "work")
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        table = Table()
        for column in ("what", "state", "found"):
            table.add_column(column, overflow="fold")
        for check in checks:
            table.add_row(*check)
        console().print(table)
    if any(check.state == "bad" for check in checks):
        raise typer.Exit(1)
