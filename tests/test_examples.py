"""The examples of docstrings give what they print, and every public function has one."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("wsss", "seeds", "refine", "segment")

# What other programs call by name.
PUBLIC = {
    "seeds.losses": ("multi_label_classification_loss", "background_suppression_loss"),
    "seeds.model": ("BASNet",),
    "seeds.fuse": ("fuse_foreground", "combine"),
    "refine.walk": ("random_walk",),
    "refine.losses": ("affinity_displacement_loss",),
    "refine.labels": ("confident_label",),
    "wsss.metrics": ("confusion_matrix", "iou", "mean_iou"),
    "wsss.artifacts": ("write_seed", "write_mask"),
    "wsss.localization": (
        "MaxBoxAccuracy",
        "PixelScores",
        "normalize_score_map",
        "largest_component_box",
        "box_iou",
    ),
}


def modules_with_examples():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text("utf-8"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples(name):
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in PUBLIC for name in PUBLIC[module]])
def test_public_names_have_an_example(module, name):
    assert ">>> " in inspect.getdoc(getattr(importlib.import_module(module), name))
