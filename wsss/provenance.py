"""Which code and which machine a figure comes from."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from wsss.paths import PROJECT_ROOT
from wsss.processes import available_cores


def commit() -> str:
    """Commit of the checkout, with ``+changes`` where files differ from it; "unknown" outside git."""
    describe = ["describe", "--always", "--abbrev=12", "--dirty=+changes", "--exclude=*"]
    command = ["git", "-C", str(PROJECT_ROOT), *describe]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> str:
    """Processor, cores of this process, and GPUs, in one line."""
    import torch  # takes seconds to import, and most callers need the commit alone

    parts = [_processor(), f"{available_cores()} cores"]
    if torch.cuda.is_available():
        parts += [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
    return ", ".join([*parts, f"torch {torch.__version__}"])


def threads() -> int:
    """Threads that torch shares a sum among in this process; results follow from it in their last digits."""
    import torch

    return int(torch.get_num_threads())


def command() -> str:
    """The command of this process as one would type it; "" where it is none of ours."""
    program = Path(sys.argv[0])
    is_ours = program.name == "wsss" or program.parts[-3:] == ("wsss", "cli", "__main__.py")
    return shlex.join(["wsss", *sys.argv[1:]]) if is_ours else ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")  # Linux; elsewhere the kind of processor has to do
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
