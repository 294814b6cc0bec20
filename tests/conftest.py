"""Shared by all tests."""

import wsss  # noqa: F401 (first: the compatibility layer has to be in place before torchvision and mmengine)

# isort: split
import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests for a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, none here"))
