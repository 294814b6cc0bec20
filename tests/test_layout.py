"""The folder name is the import name, and what is imported is this checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["seeds", "refine", "segment", "wsss"])
def test_name_resolves_to_this_checkout(name, tmp_path):
    # From another folder and without the one of the tests: what the editable installation alone gives.
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}).origin)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == ROOT / name / "__init__.py"
