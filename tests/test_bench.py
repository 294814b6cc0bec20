"""``make bench``: all scripts run, one that fails stops nothing, and all ratios stand in one table."""

import ast
import json
import subprocess
import sys

import pytest

from wsss.paths import PROJECT_ROOT
from wsss.provenance import commit, machine

FOLDER = PROJECT_ROOT / "benchmarks"
SCRIPTS = sorted(one.stem for one in FOLDER.glob("*.py") if one.stem not in ("__main__", "ratios"))

# Runs the collector on a folder of scripts; "ratios" is found as it is beside a script that runs alone.
COLLECT = f"""
import runpy, sys
sys.path.insert(0, {str(FOLDER)!r})
main = runpy.run_path({str(FOLDER / "__main__.py")!r})["main"]
from pathlib import Path
folder = Path(sys.argv.pop(1))
main(folder)
"""


def collect(folder, *names):
    return subprocess.run(
        [sys.executable, "-c", COLLECT, str(folder), *names],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{FOLDER}:{PROJECT_ROOT}", "PATH": "/usr/bin:/bin"},
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a_fails.py").write_text("raise SystemExit(3)")
    (tmp_path / "b_ratio.py").write_text(
        "from ratios import print_ratio\nprint('a row')\nprint_ratio('time, theirs / ours', 2)"
    )
    (tmp_path / "c_no_data.py").write_text("from ratios import skip\nskip('no files in here')\nraise 1")
    (tmp_path / "d_silent.py").write_text("print('ratios: 3')")
    return tmp_path


def test_all_scripts_run_and_the_table_has_all_of_them(folder):
    done = collect(folder)
    assert done.returncode == 1, done.stderr
    shown, table = done.stdout.split(f"commit {commit()}, ")
    assert "b_ratio\na row\nratio: 2.00  time, theirs / ours\n" in shown
    assert machine() in shown
    assert table.splitlines()[2:] == [
        "b_ratio        2.00  time, theirs / ours",
        "c_no_data  skipped: no files in here",
        "a_fails    FAILED: exit status 3",
        "d_silent   FAILED: no ratio was printed",
    ]


def test_names_choose_scripts(folder):
    done = collect(folder, "b_ratio", "c_no_data", "--json", str(folder / "x.json"), "--beside", "a training")
    assert done.returncode == 0, done.stderr
    content = json.loads((folder / "x.json").read_text())
    (row,) = content["ratios"]
    assert row[:3] == ["b_ratio", "2.00", "time, theirs / ours"]
    assert 0 <= row[3] < 60
    assert content["left_out"] == [["c_no_data", "no files in here"]]
    assert content["beside"].startswith("a training; load of ")
    assert "python benchmarks b_ratio c_no_data --json" in content["command"]
    assert content["machine"] == machine()
    assert "a_fails" not in done.stdout
    done = collect(folder, "random")
    assert done.returncode == 2
    assert "expected names out of a_fails, b_ratio, c_no_data, d_silent, got random" in done.stderr


def test_quick_sizes_are_options_of_the_scripts():
    tree = ast.parse((FOLDER / "__main__.py").read_text("utf-8"))
    assigned = [one for one in tree.body if isinstance(one, ast.Assign) and one.targets[0].id == "QUICK"]
    quick = ast.literal_eval(assigned[0].value)
    assert set(quick) <= set(SCRIPTS)
    for name, options in quick.items():
        source = (FOLDER / f"{name}.py").read_text("utf-8")
        wrong = [one for one in options if one.startswith("--") and f'"{one}"' not in source]
        assert not wrong, name


def test_each_script_can_be_imported_and_says_ratios():
    """One process for all: what they import, most of all mmseg, takes seconds."""
    code = f"""
import importlib, sys
sys.path[:0] = [{str(FOLDER)!r}, {str(PROJECT_ROOT)!r}]
for name in {SCRIPTS!r}:
    module = importlib.import_module(name)
    assert callable(module.main), name
    assert callable(module.print_ratio), name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_script_without_its_data_is_skipped_with_a_word(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "image_check.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"skipped: no JPEG files in {tmp_path}: name a folder with some\n"
