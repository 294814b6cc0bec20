"""Shared by all tests."""

import wsss  # noqa: F401 (first: the compatibility layer has to be in place before torchvision and mmengine)

# isort: split
import logging
import sys

import pytest
import torch
from hypothesis import HealthCheck, settings

from wsss.cli import main

# Made-up content (tests/trust): the same few examples in each run, or with --hypothesis-profile=long
# (make trust) many new ones. A deadline would blame a busy machine.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("quick", max_examples=30, derandomize=True, database=None, **_COMMON)
settings.register_profile("long", max_examples=1000, **_COMMON)
settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests for a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, none here"))


@pytest.fixture
def invoke(monkeypatch, capfd, tmp_path):
    """Run the command line in an empty folder: arguments -> (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    # Wide enough for rich not to break the lines that the tests look for.
    monkeypatch.setenv("COLUMNS", "250")
    handlers = list(logging.getLogger("wsss").handlers)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wsss", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        written = capfd.readouterr()
        return stopped.value.code, written.out, written.err

    yield run
    logging.getLogger("wsss").handlers = handlers
    logging.getLogger("wsss").propagate = True
