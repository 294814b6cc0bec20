"""Mutants stay applicable: their lines and tests are there, so that `make mutants` tells what it says."""

import importlib.util
from pathlib import Path

import pytest

from wsss.paths import PROJECT_ROOT


def _mutants():
    path = Path(__file__).with_name("mutants.py")
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("mutants", path))
    spec.loader.exec_module(module)
    return module.MUTANTS


@pytest.mark.parametrize("mutant", _mutants(), ids=lambda one: one.name)
def test_a_mutant_changes_one_line_and_names_tests(mutant):
    text = (PROJECT_ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    assert all((PROJECT_ROOT / one).is_file() for one in mutant.tests)
