"""Every preset of every stage builds its network; no weights are read and none are computed."""

import runpy
import warnings

import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

import refine.methods
import segment.backbone
import segment.deeplabv2
import segment.deeplabv3  # noqa: F401  registers the heads
from refine.train import build_irnet
from seeds.methods import Plan, check_settings, find_method
from seeds.methods.trained import TrainedMethod
from seeds.train import build_predictor
from segment.settings import complete_config
from wsss.artifacts import Artifact
from wsss.cli.stages import load_config
from wsss.presets import CONFIG_DIR


def presets(stage):
    """The files but for those named like a data set, which are aliases of others."""
    aliases = {file.name for file in (CONFIG_DIR / "_base_").glob("*.py")}
    return sorted(file for file in (CONFIG_DIR / stage).glob("*.py") if file.name not in aliases)


def build_on_meta(build):
    """Parameters have shapes but no memory there: a ResNet101 is built in a moment."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build()


@pytest.mark.parametrize("file", presets("seeds"), ids=lambda file: file.stem)
def test_seeds(file):
    config = load_config("seeds", "-", path=file)
    check_settings(config)
    method = find_method(config.method)
    if not isinstance(method, TrainedMethod):  # it has no network: it adds the maps of others
        assert len(config.reads) >= 2
        return
    config.model.pretrained = None
    if "evaluator" in config.model:
        config.model.evaluator.pretrained = None
    plan = Plan(config, tuple("abcdefg"), 160)
    network = build_on_meta(lambda: build_predictor(method, plan))
    assert any(parameter.shape[0] == 7 for parameter in network.parameters())


@pytest.mark.parametrize("file", presets("seeds"), ids=lambda file: file.stem)
def test_a_seed_preset_is_read_in_few_files_and_says_how_to_run_it(file):
    own = runpy.run_path(str(file))
    # The data set, and at most one more; the defaults of method and stage need not be looked up.
    assert len(own["_base_"]) <= 2
    assert all("_base_" not in runpy.run_path(str(file.parent / base)) for base in own["_base_"])
    head = file.read_text().partition("_base_")[0]
    assert head.startswith("# tools/run_stage.sh seeds ")
    assert "method" in own


@pytest.mark.parametrize("file", presets("refine"), ids=lambda file: file.stem)
def test_refine(file, tmp_path):
    config = load_config("refine", "-", path=file)
    assert refine.methods.check_settings(config).name == config.method
    if config.method == "crf":  # has no network
        return
    config.model.pretrained = None
    assert len(list(build_on_meta(lambda: build_irnet(config, Artifact(tmp_path, {}))).parameters())) > 0


@pytest.mark.parametrize("file", presets("segment"), ids=lambda file: file.stem)
def test_segment(file):
    loaded = load_config("segment", "-", path=file)
    if "pretrained" in loaded.model:
        loaded.model.pretrained = None
    config = complete_config(loaded, num_classes=6, masks=None)

    def build():
        with DefaultScope.overwrite_default_scope("mmseg"):
            return MODELS.build(config.model)

    assert build_on_meta(build).decode_head.num_classes == 7
