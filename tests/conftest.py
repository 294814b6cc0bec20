"""Shared by all tests."""

import wsss  # noqa: F401 (first: the compatibility layer has to be in place before torchvision and mmengine)

# isort: split
import logging
import sys

import pytest
import torch

from wsss.cli import main


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
