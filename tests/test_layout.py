"""The folder name is the import name, and what is imported is this checkout."""

import ast
import re
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


def test_the_ground_floor_names_no_stage_in_strings():
    """import-linter reads imports; what is imported by a string, it cannot see."""
    found = []
    for path in sorted((ROOT / "wsss").rglob("*.py")):
        if path.is_relative_to(ROOT / "wsss" / "cli"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        }
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and id(node) not in documentation
            and isinstance(node.value, str)
            and re.fullmatch(r"(seeds|refine|segment)\.\w+(\.\w+)*(:\w+)?", node.value)
        ]
    assert found == []
