"""Every benchmark one after another, and all their ratios in one table: ``make bench``.

    python benchmarks [NAME ...] [--json docs/results/bench.json]

NAME: of a script, such as random_walk; without one all run. A script that fails is named at the end, the
others run nevertheless, and the exit status is 1. --json writes the ratios as a file that
`wsss results --write` makes a table of.
"""

import argparse
import datetime
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from ratios import RATIO, SKIPPED
from wsss.cli.results import write_results
from wsss.provenance import commit, machine

FOLDER = Path(__file__).resolve().parent
_NO_SCRIPTS = ("__main__", "ratios")


class Outcome(NamedTuple):
    """What a script said.

    Attributes:
        script: its name.
        ratios: (value, both sides) as printed.
        skipped: why it did not run; "" where it did.
        failed: why it failed; "" where it did not.
    """

    script: str
    ratios: tuple[tuple[str, str], ...] = ()
    skipped: str = ""
    failed: str = ""


def scripts(folder: Path) -> list[Path]:
    """The benchmarks of a folder."""
    return sorted(file for file in folder.glob("*.py") if file.stem not in _NO_SCRIPTS)


def run(script: Path) -> Outcome:
    """Run one script, show what it prints, and keep its ratios."""
    print(f"\n{script.name}", flush=True)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
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
    return Outcome(script.stem, tuple(ratios), skipped, failed)


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
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = options.names or list(known)
    if unknown := [one for one in names if one not in known]:
        parser.error(f"expected names out of {', '.join(known)}, got {unknown[0]}")
    outcomes = [run(known[one]) for one in names]
    print_table(outcomes)
    if options.json:
        ratios = [[one.script, value, what] for one in outcomes for value, what in one.ratios]
        typed = " ".join(["python benchmarks", *options.names])
        origin = {"source": "benchmarks", "command": typed, "commit": commit()}
        write_results(options.json, {**origin, "machine": machine(), "ratios": ratios})
    sys.exit(1 if any(one.failed for one in outcomes) else 0)


if __name__ == "__main__":
    main()
