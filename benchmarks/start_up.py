"""CPU seconds until a verb has done what it was asked for, where that is next to nothing.

    python benchmarks/start_up.py

Each call runs in a process of its own, three times; the best is printed, and its ratio to the bound of 1.5 s.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from ratios import print_ratio

BOUND = 1.5
ROOT = Path(__file__).resolve().parents[1]
# Arguments -> the exit status that is right.
CALLS = {
    ("--help",): 0,
    ("run", "--help"): 0,
    ("status", "--help"): 0,
    ("evaluate", "--help"): 0,
    ("data", "voc", "--help"): 0,
    ("run", "sedes", "demo"): 2,
    ("run", "all", "dmeo"): 2,
    ("data", "folder", "--images", "nowhere"): 2,
    ("evaluate", "nowhere", "demo"): 2,
    ("status",): 0,
}


def cpu_seconds(arguments: tuple[str, ...], status: int, folder: str) -> float:
    """User and system time of one call."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "wsss.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != status:
        raise SystemExit(f"expected status {status} of wsss {' '.join(arguments)}, got {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line per call."""
    print(f"{'call':<40}{'CPU s':>8}")
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for arguments, status in CALLS.items():
            seconds = min(cpu_seconds(arguments, status, folder) for _ in range(3))
            print(f"wsss {' '.join(arguments):<35}{seconds:>8.2f}", flush=True)
            slowest = max(slowest, seconds)
    print_ratio(f"CPU time of the slowest call / {BOUND} s", slowest / BOUND)


if __name__ == "__main__":
    main()
