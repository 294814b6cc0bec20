"""Rates, training, resuming, and what plain mmsegmentation makes of the presets."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner
from torch import nn

import segment.optim  # noqa: F401  (registers)
from segment.train import NETWORK, complete_config, train_segmentor
from tests.segment.conftest import CONFIGS
from wsss.backbones import build_backbone
from wsss.config import load_config
from wsss.errors import ConfigError, TrainingError

PRESETS = sorted(file.name for file in (CONFIGS / "segment").glob("deeplabv2_*.py"))


class TwoParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.decode_head = nn.Conv2d(1, 1, 1)


def build_optim(**paramwise):
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {
            "type": "DeepLabOptimWrapperConstructor",
            "optim_wrapper_cfg": {"optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 0.5}},
            "paramwise_cfg": paramwise,
        }
    )
    return constructor(TwoParts())


@pytest.mark.parametrize(
    ("factors", "rates"),
    [
        pytest.param({}, [0.1, 1.0, 2.0], id="paper"),
        pytest.param({"head_factor": 3, "head_bias_factor": 4}, [0.1, 0.3, 0.4], id="set"),
    ],
)
def test_head_and_its_biases_have_rates_of_their_own(factors, rates):
    groups = build_optim(**factors).optimizer.param_groups
    assert [group["lr"] for group in groups] == pytest.approx(rates)
    assert [group["weight_decay"] for group in groups] == [0.5, 0.5, 0.0]
    # Backbone: weight and bias; what has no gradient is left out.
    assert [len(group["params"]) for group in groups] == [2, 1, 1]


def test_misspelt_factor_is_refused():
    with pytest.raises(Exception, match=r"expected head_factor and head_bias_factor .* got \['head'\]"):
        build_optim(head=3)


def complete(config, **more):
    return complete_config(config, num_classes=6, masks=None, **more)


def test_training_learns_and_is_not_repeated(tiny_config, tmp_path):
    config = complete(tiny_config)
    first = train_segmentor(config, out_dir=tmp_path)
    assert (tmp_path / NETWORK).is_file()
    assert not list(tmp_path.glob("iter_*.pth"))
    written = (tmp_path / NETWORK).stat().st_mtime_ns
    again = train_segmentor(config, out_dir=tmp_path)
    assert (tmp_path / NETWORK).stat().st_mtime_ns == written
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    untrained = build_backbone("plain8").state_dict().keys()
    assert len(first.state_dict()) > len(untrained)
    assert not first.training
    # The head starts at deviation 0.01 with biases of 0.
    assert first.decode_head.convs[0].bias.abs().sum() > 0


def test_interrupted_training_continues_at_its_checkpoint(tiny_config, tmp_path, monkeypatch, caplog):
    config = complete(tiny_config)
    whole = train_segmentor(config, out_dir=tmp_path / "whole")
    step = Runner.call_hook

    def interrupt(self, name, **kwargs):
        step(self, name, **kwargs)
        if name == "after_train_iter" and self.iter == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "call_hook", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_segmentor(config, out_dir=tmp_path / "parts")
    assert [file.name for file in (tmp_path / "parts").glob("iter_*.pth")] == ["iter_2.pth"]
    with caplog.at_level("INFO", logger="wsss"):
        parts = train_segmentor(config, out_dir=tmp_path / "parts")
    assert "continues at step 2 of 4" in caplog.text
    for name, value in whole.state_dict().items():
        # Same images, same crops; sums on several threads may round differently.
        torch.testing.assert_close(value, parts.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_loss_that_is_not_finite_stops_with_advice(tiny_config, tmp_path):
    config = complete(tiny_config)
    config.optim_wrapper.optimizer.lr = 1e30
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train_segmentor(config, out_dir=tmp_path)


def test_what_the_stage_knows_is_filled_in(tiny_config, tmp_path):
    before = copy.deepcopy(tiny_config.to_dict())
    tiny_config.seed, tiny_config.train_cfg.max_iters = 7, 123
    config = complete_config(tiny_config, num_classes=3, masks=tmp_path, backbone=tmp_path / "b.pth")
    assert config.model.decode_head.num_classes == 4
    assert config.model.backbone.pretrained == str(tmp_path / "b.pth")
    assert config.train_dataloader.dataset.masks == str(tmp_path)
    assert config.train_dataloader.dataset.dataset == tiny_config.dataset
    assert config.param_scheduler.end == 123
    assert config.randomness.seed == 7
    tiny_config.seed, tiny_config.train_cfg.max_iters = before["seed"], before["train_cfg"]["max_iters"]
    assert tiny_config.to_dict() == before


def test_two_sources_of_weights_are_refused(tiny_config, tmp_path):
    tiny_config.model.backbone.pretrained = "imagenet"
    with pytest.raises(ConfigError, match=r"one source of weights, .* 'imagenet': set one of them to None"):
        complete(tiny_config, backbone=tmp_path / "b.pth")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load_and_agree_with_themselves(name):
    config = load_config("segment", "", path=CONFIGS / "segment" / name)
    # Written twice, as mmsegmentation alone ties them by nothing.
    assert config.param_scheduler.end == config.train_cfg.max_iters
    assert config.randomness.seed == config.seed
    base = Config.fromfile(str(CONFIGS.parent / config.train_dataloader.dataset.dataset))
    assert base.dataset == config.dataset
    assert config.test_dataloader.dataset.dataset == config.train_dataloader.dataset.dataset
    full = config.supervision == "ground_truth"
    assert full == ("masks" not in config.reads) == (config.train_dataloader.dataset.masks is None)
    assert full == name.endswith("_full.py")
    assert ("seeds" in config.reads) == (config.weights_from == "seeds")
    levels = {"resnet101": 2048, "mobilenetv1_100": 1024, "plain8": 128}
    assert config.model.decode_head.in_channels == levels[config.model.backbone.name]


def test_full_supervision_differs_in_its_labels_alone():
    for name in (preset for preset in PRESETS if preset.endswith("_full.py")):
        full = Config.fromfile(CONFIGS / "segment" / name).to_dict()
        masks = Config.fromfile(CONFIGS / "segment" / name.replace("_full", "")).to_dict()
        for config in (full, masks):
            for key in ("supervision", "reads", "baselines"):
                config.pop(key)
            config["train_dataloader"]["dataset"].pop("masks")
        assert full == masks


def test_plain_mmsegmentation_trains_and_tests_a_preset(tiny_config, demo_settings, tmp_path):
    """What tools/train.py and tools/test.py of mmsegmentation do, with nothing of the stage's."""
    config = copy.deepcopy(tiny_config)
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.dataset = demo_settings
        loader.num_workers, loader.persistent_workers = 0, False
    config.param_scheduler.end = config.train_cfg.max_iters
    config.work_dir = str(tmp_path)
    config.log_level = "WARNING"
    config.experiment_name = tmp_path.name
    runner = Runner.from_cfg(config)
    runner.train()
    figures = runner.test()
    assert 0 <= figures["mIoU"] <= 100
    assert (tmp_path / "iter_4.pth").is_file()
