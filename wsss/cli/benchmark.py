"""``wsss benchmark``: a grid of methods, data sets and random seeds, and one table."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from wsss.cli.app import app
from wsss.cli.grid import read_grid
from wsss.cli.grid_jobs import Cell, Runner, command_line, is_done, plan_grid
from wsss.cli.grid_table import AXES, BASELINES, means, table_rows, write_table
from wsss.cli.options import AsJson, CfgOptions, console, from_here, narrow_table, print_json
from wsss.cli.plan import describe, print_plan, short_path
from wsss.datasets.made import only_looking
from wsss.errors import ConfigError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT

TABLE = "table.csv"
# What fits a terminal; the file has all.
_OF_MASKS = ("seeds mIoU, oracle", "CAM of the same network", "masks mIoU", "val mIoU")
_OF_BOXES = ("GT-known, oracle", "GT-known, fixed", "GT-known, own border", "MaxBoxAccV2", "PxAP")


@app.command(epilog="Example: wsss benchmark benchmarks/grids/demo.py --dry-run")
def benchmark(
    grid: Annotated[Path, typer.Argument(help="File of the grid: see benchmarks/grids/.")],
    out: Annotated[
        Path | None, typer.Option(help="Where artifacts and table go. Default: work/benchmarks/GRID")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time, each with a GPU of its own.")] = 1,
    cfg_options: CfgOptions = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan of every job and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run seed methods x data sets x refine methods x random seeds, and put all figures in one table.

    Segmentation sets: seeds, masks, network, mIoU on val. Localisation sets: seeds, scores of their boxes.
    Each job is a process of its own; one that fails is named in the table with its reason, and the others go
    on. The same command skips what is done.
    """
    asked = read_grid(grid.expanduser().absolute(), tuple(cfg_options or ()))
    folder = from_here(out) or PROJECT_ROOT / "work" / "benchmarks" / asked.name
    with only_looking() if dry_run else contextlib.nullcontext():
        cells = plan_grid(asked, folder)
    refused = {job.makes: job.refused for cell in cells for job in cell.jobs if job.refused}
    if dry_run:
        _print_plan(cells, as_json=as_json)
        raise typer.Exit(1 if refused else 0)
    if all(job.refused for cell in cells for job in cell.jobs):
        raise ConfigError(next(iter(refused.values())))
    for path, reason in refused.items():
        logger.warning("%s cannot be made: %s", short_path(path), reason)
    runner = Runner(cells, at_a_time=jobs)
    runner.run(lambda: write_table(table_rows(cells, runner.failures), folder / TABLE))
    rows = table_rows(cells, runner.failures)
    print_json(rows) if as_json else _print_table(rows, folder / TABLE)
    if any(row["state"] != "done" for row in rows):
        raise typer.Exit(1)


def _print_plan(cells: Sequence[Cell], *, as_json: bool) -> None:
    """Every job: what would run, and what cannot work and why."""
    rows = [
        {
            "dataset": cell.dataset,
            "makes": str(job.makes),
            "command": command_line(job),
            "refused": job.refused,
            **({} if job.step is None else describe(job.step)),
        }
        for cell in cells
        for job in cell.jobs
    ]
    if as_json:
        print_json(rows)
        return
    out = console()
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        own = [cell for cell in cells if cell.dataset == dataset]
        out.print(f"{dataset}:", highlight=False)
        planned = [describe(job.step) for cell in own for job in cell.jobs if job.step is not None]
        if planned:
            print_plan(planned)
        others = [(job, cell) for cell in own for job in cell.jobs if job.step is None and not job.refused]
        for job, cell in others:
            is_boxes = job.arguments[0] != "run"
            later = "boxes are scored when seeds are there" if is_boxes else "run, its data are made first"
            out.print(f"{job.makes.name}: {'up to date' if is_done(job, cell) else later}", highlight=False)
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["refused"]:
            reasons.setdefault(row["refused"], []).append(f"{row['dataset']}/{Path(row['makes']).name}")
    for reason, names in reasons.items():
        out.print(f"cannot be made: {', '.join(names)}: {reason}", highlight=False)


def _print_table(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """A table for each data set, means over random seeds below its rows; the file has more columns."""
    out = console()
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        known = [row for row in own if row["state"] == "done"]
        is_boxes = any(row[one] is not None for row in own for one in _OF_BOXES)
        shown = [
            one for one in (_OF_BOXES if is_boxes else _OF_MASKS) if any(row[one] is not None for row in own)
        ]
        names = ["method", *(["refine"] if any(row["refine"] for row in own) else []), "random seed"]
        # One word a line; what failed is told with its reason below.
        heads = [one.replace("MaxBox", "MaxBox ").replace(" ", "\n") for one in (*names, *shown)]
        table = narrow_table(*heads, whole=heads, title=f"{dataset}, percent")
        for row in own:
            table.add_row(*(str(row[one]) for one in names), *(_number(row[one]) for one in shown))
        table.add_section()
        for one in means(own):
            if one["random seeds"] > 1:
                first = [*(one[name] for name in names[:-1]), f"mean of {one['random seeds']}"]
                table.add_row(*first, *(_mean(one.get(name)) for name in shown))
        if known and is_boxes:
            for name, figures in BASELINES.items():
                cells = (_number(known[0][figures[one]]) if one in figures else "-" for one in shown)
                table.add_row(name, "", *cells)
        out.print(table)
    for row in rows:
        if row["reason"]:
            where = ", ".join(str(row[one]) for one in AXES if row[one] != "")
            out.print(f"{where} failed: {row['reason']}", highlight=False)
    out.print("in", short_path(file))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _mean(value: tuple[float, float | None] | None) -> str:
    if value is None or value[1] is None:
        return "-"
    return f"{value[0]:.1f}±{value[1]:.1f}"
