"""A tiny data set and a tiny network for the tests of the stage ``segment``."""

from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

from segment.stage import STAGE
from wsss.config import load_config
from wsss.datasets import build_dataset

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def mmseg_scope():
    """What mmengine's Runner sets before it builds anything; other tests leave scopes of their own."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


@pytest.fixture(scope="session")
def demo_settings(tmp_path_factory):
    """Settings of a demo data set of six training and two validation images."""
    root = tmp_path_factory.mktemp("segment") / "demo"
    sizes = {"train": 6, "val": 2, "side": 96}
    return {
        "type": "demo",
        "root": str(root),
        "random_seed": 3,
        "train_split": "train",
        "val_split": "val",
    } | sizes


@pytest.fixture(scope="session")
def demo(demo_settings):
    return build_dataset(demo_settings)


@pytest.fixture
def tiny_config(demo_settings):
    """Four steps of two images, on ground truth, from random weights."""
    return tiny_settings(demo_settings)


def tiny_settings(demo_settings):
    """The config of `tiny_config`, for fixtures of a whole module."""
    config = load_config(STAGE, "", path=CONFIGS / "segment" / "deeplabv2_plain8_demo_full.py")
    config.dataset = demo_settings
    config.merge_from_dict(
        {
            "model": {"pretrained": None},
            "infer": {"scales": (1.0,)},
            "train_dataloader": {"batch_size": 2, "num_workers": 0, "dataset": {"masks": None}},
            "val_dataloader": {"num_workers": 0},
            "train_cfg": {"max_iters": 4},
            "default_hooks": {"checkpoint": {"interval": 2}},
        }
    )
    return config
