"""A verb starts fast: nothing that takes seconds to import is imported before it is needed."""

import subprocess
import sys

from wsss.paths import PROJECT_ROOT

# Each takes a third of a second or more.
SLOW = ("matplotlib", "mmengine.runner", "mmseg", "scipy", "timm", "torch", "torchvision")
LOADED = "import sys; import {module}; print(*(one for one in {names!r} if one in sys.modules))"


def test_listing_the_verbs_imports_nothing_slow():
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module="wsss.cli", names=SLOW)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [], "import these inside the functions that need them"
