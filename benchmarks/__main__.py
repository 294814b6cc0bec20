"""Every benchmark one after another, and all their ratios in one table: ``make bench``.

    python benchmarks [NAME ...] [--quick] [--write] [--beside TEXT]

NAME: of a script, such as random_walk; without one all run. A script that fails is named at the end, the
others run nevertheless, and the exit status is 1. --write keeps the ratios, after each script, in
docs/results/bench.json, which `wsss results --write` makes a table of.
"""

import argparse
import datetime
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ratios import RATIO, SKIPPED
from wsss.cli.results import write_results
from wsss.provenance import commit, machine

FOLDER = Path(__file__).resolve().parent
_NO_SCRIPTS = ("__main__", "ratios")
_FILE = FOLDER.parent / "docs" / "results" / "bench.json"
# Sizes that end in a minute each on two cores; ratios of larger ones differ, so the table names them.
QUICK = {
    "backbone_speed": ("resnet50", "mobilenetv1_100"),
    "bas_step": ("--rounds", "2", "--crop", "160"),
    "bcam_gradient": ("--rounds", "2"),
    "box_metrics": ("--images", "5"),
    "half_precision": ("--rounds", "1", "--batch", "2"),
    "hashes": ("--files", "2000"),
    "irn_step": ("--batch", "1", "--rounds", "2"),
    "localization_step": ("--rounds", "2"),
    "memory": ("--stages", "seeds", "--walks", "500"),
    "random_walk": ("--dense-up-to", "1100"),
    "seed_inference": ("--rounds", "1"),
    "threads": ("--epochs", "2"),
    "segment_step": ("--rounds", "1", "--batch", "1", "--crop", "161", "--size", "161", "241"),
}


class Outcome(NamedTuple):
    """What a script said.

    Attributes:
        script: its name and options.
        seconds: that it took.
        ratios: (value, both sides) as printed.
        skipped: why it did not run; "" where it did.
        failed: why it failed; "" where it did not.
    """

    script: str
    seconds: float = 0.0
    ratios: tuple[tuple[str, str], ...] = ()
    skipped: str = ""
    failed: str = ""


def scripts(folder: Path) -> list[Path]:
    """The benchmarks of a folder."""
    return sorted(file for file in folder.glob("*.py") if file.stem not in _NO_SCRIPTS)


def run(script: Path, options: Sequence[str] = ()) -> Outcome:
    """Run one script, show what it prints, and keep its ratios."""
    name = shlex.join([script.stem, *options])
    print(f"\n{name}", flush=True)
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, str(script), *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # asked for above
    ratios, skipped = [], ""
    for line in process.stdout:
        print(line, end="", flush=True)
        word, colon, rest = line.strip().partition(": ")
        if colon and word == RATIO:
            value, _, what = rest.partition(" ")
            ratios.append((value, what.strip()))
        elif colon and word == SKIPPED:
            skipped = rest
    status = process.wait()
    failed = f"exit status {status}" if status else ""
    if not (failed or skipped or ratios):
        failed = "no ratio was printed"
    return Outcome(name, time.monotonic() - begin, tuple(ratios), skipped, failed)


def write(file: Path, outcomes: Sequence[Outcome], *, beside: str) -> None:
    """Keep the ratios so far, with what they were measured with."""
    rows = [
        [one.script, value, what, round(one.seconds) if number == 0 else ""]
        for one in outcomes
        for number, (value, what) in enumerate(one.ratios)
    ]
    skipped = [[one.script, one.skipped or one.failed] for one in outcomes if one.skipped or one.failed]
    typed = f"python benchmarks {shlex.join(sys.argv[1:])}".strip()
    load = f"load of {os.getloadavg()[2]:.1f} in the last 15 minutes of the run"
    origin = {"source": "benchmarks", "command": typed, "commit": commit(), "machine": machine()}
    content = {
        **origin,
        "beside": f"{beside}; {load}" if beside else load,
        "ratios": rows,
        "left_out": skipped,
    }
    write_results(file, content)


def print_table(outcomes: list[Outcome]) -> None:
    """Print the ratios of all scripts, then what was skipped and what failed."""
    print(f"\n{machine()}\ncommit {commit()}, {datetime.date.today()}\n")
    width = max(len(one.script) for one in outcomes)
    for one in outcomes:
        for value, what in one.ratios:
            print(f"{one.script:{width}}  {value:>8}  {what}")
    for one in outcomes:
        if one.skipped:
            print(f"{one.script:{width}}  skipped: {one.skipped}")
    for one in outcomes:
        if one.failed:
            print(f"{one.script:{width}}  FAILED: {one.failed}")


def main(folder: Path = FOLDER) -> None:
    """Run the benchmarks of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {file.stem: file for file in scripts(folder)}
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: under 15 minutes on two idle cores"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the ratios in this file")
    parser.add_argument("--write", dest="json", action="store_const", const=_FILE, help="in that of the docs")
    parser.add_argument("--beside", default="", help="what else ran on the machine, for the file")
    options = parser.parse_args()
    names = options.names or list(known)
    if unknown := [one for one in names if one not in known]:
        parser.error(f"expected names out of {', '.join(known)}, got {unknown[0]}")
    outcomes = []
    for name in names:
        outcomes.append(run(known[name], QUICK.get(name, ()) if options.quick else ()))
        if options.json:
            write(options.json, outcomes, beside=options.beside)
    print_table(outcomes)
    sys.exit(1 if any(one.failed for one in outcomes) else 0)


if __name__ == "__main__":
    main()
