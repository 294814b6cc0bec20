"""Rates, training, resuming, and what plain mmsegmentation makes of the presets."""

import copy
import json

import pytest
import torch
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from mmseg.registry import MODELS
from torch import nn

import segment.backbone
import segment.deeplabv2
import segment.optim
import segment.train
from segment.dataset import ProjectDataset
from segment.settings import complete_config
from segment.stage import STAGE
from segment.train import CHOSEN, NETWORK, train_segmentor
from tests.segment.conftest import CONFIGS
from wsss import batches
from wsss.backbones import build_backbone
from wsss.config import load_config
from wsss.errors import ConfigError, TrainingError

PRESETS = sorted(file.name for file in (CONFIGS / "segment").glob("deeplab*.py"))


class TwoParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.decode_head = nn.Conv2d(1, 1, 1)


def build_optim(network=None, **paramwise):
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {
            "type": "DeepLabOptimWrapperConstructor",
            "optim_wrapper_cfg": {"optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 0.5}},
            "paramwise_cfg": paramwise,
        }
    )
    return constructor(TwoParts() if network is None else network)


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


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = build_backbone("timm:vit_tiny_patch16_224")
        self.decode_head = nn.Conv2d(192, 3, 1)


def test_lower_levels_learn_slower_and_norms_are_not_decayed():
    network = Transformer()
    groups = build_optim(network=network, layer_decay=0.5, decay_norms=False).optimizer.param_groups
    # Levels 4 to 0, each its weights and then its norms and biases; the head's weights and biases.
    assert [group["lr"] for group in groups] == pytest.approx(
        [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125, 0.00625, 0.00625, 1.0, 2.0]
    )
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0] * 6
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


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


def test_loss_that_is_not_finite_stops_with_advice_and_the_steps_images(
    tiny_config, tmp_path, monkeypatch, demo
):
    config = complete(tiny_config)
    config.optim_wrapper.optimizer.lr = 1e30
    loaded = []
    get = ProjectDataset.__getitem__
    monkeypatch.setattr(
        ProjectDataset, "__getitem__", lambda self, place: (loaded.append(place[0]), get(self, place))[1]
    )
    with pytest.raises(TrainingError, match="learning rate is too high") as caught:
        train_segmentor(config, out_dir=tmp_path)
    # Without workers, the last two images that were read are those of the step.
    ids = [demo.ids("train")[index] for index in loaded[-2:]]
    assert f"(images {', '.join(ids)})" in str(caught.value)
    assert not (tmp_path / NETWORK).exists()


def test_what_the_stage_knows_is_filled_in(tiny_config, tmp_path):
    before = copy.deepcopy(tiny_config.to_dict())
    tiny_config.random_seed, tiny_config.train_cfg.max_iters = 7, 123
    config = complete_config(tiny_config, num_classes=3, masks=tmp_path, backbone=tmp_path / "b.pth")
    assert config.model.decode_head.num_classes == 4
    assert config.model.backbone.pretrained == str(tmp_path / "b.pth")
    assert config.train_dataloader.dataset.masks == str(tmp_path)
    assert config.train_dataloader.dataset.dataset == tiny_config.dataset
    assert config.param_scheduler.end == 123
    assert config.randomness.seed == 7
    tiny_config.random_seed, tiny_config.train_cfg.max_iters = (
        before["random_seed"],
        before["train_cfg"]["max_iters"],
    )
    assert tiny_config.to_dict() == before


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load_and_agree_with_themselves(name):
    config = load_config(STAGE, "", path=CONFIGS / "segment" / name)
    full = config.supervision == "ground_truth"
    assert full == name.endswith("_full.py")
    is_given = bool(config.model.get("weights"))
    assert ("masks" in STAGE.reads(config)) == (not full and not is_given)
    assert ("seeds" in STAGE.reads(config)) == (config.model.get("pretrained") == "seeds")
    assert config.train_cfg.val_interval <= config.train_cfg.max_iters


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_a_network_of_the_data_sets_classes(name):
    config = load_config(STAGE, "", path=CONFIGS / "segment" / name)
    if "pretrained" in config.model:
        config.model.pretrained = None
    if "init_cfg" in config.model.backbone:
        config.model.backbone.init_cfg = None
    labels = {"demo": 7, "coco": 81, "coco_mini": 81}.get(config.dataset.name, 21)
    network = MODELS.build(complete_config(config, num_classes=labels - 1, masks=None).model)
    assert network.num_classes == labels
    with torch.no_grad():
        logit = network.eval()(torch.zeros(1, 3, 65, 65), mode="tensor")
    assert logit.shape[1] == labels


def test_full_supervision_differs_in_its_labels_alone():
    for name in (preset for preset in PRESETS if preset.endswith("_full.py")):
        full = load_config(STAGE, "", path=CONFIGS / "segment" / name).to_dict()
        masks = load_config(STAGE, "", path=CONFIGS / "segment" / name.replace("_full", "")).to_dict()
        for config in (full, masks):
            for key in ("supervision", "baselines"):
                config.pop(key)
        assert full == masks


def test_another_network_of_mmsegmentation_trains_on_our_masks(tiny_config, tmp_path):
    """The DeepLabV3+ preset with a small backbone: nothing of it is ours but the data and the loop."""
    config = load_config(STAGE, "", path=CONFIGS / "segment" / "deeplabv3plus_r50_voc.py")
    for key in ("dataset", "infer", "train_dataloader", "val_dataloader", "test_dataloader"):
        config[key] = tiny_config[key]
    config.merge_from_dict(
        {
            "supervision": "ground_truth",
            "model.backbone": {"depth": 18, "init_cfg": None},
            "model.decode_head": {"in_channels": 512, "channels": 16, "c1_in_channels": 64},
            "model.auxiliary_head": {"in_channels": 256, "channels": 8},
            "train_cfg.max_iters": 2,
        }
    )
    network = train_segmentor(complete(config), out_dir=tmp_path)
    assert type(network.decode_head).__name__ == "DepthwiseSeparableASPPHead"
    assert network.decode_head.num_classes == network.auxiliary_head.num_classes == 7
    assert network.auxiliary_head.conv_seg.bias.abs().sum() > 0


def test_the_best_iteration_on_val_is_kept_and_said(tiny_config, tmp_path, monkeypatch):
    tiny_config.select = "best"
    tiny_config.train_cfg.val_interval = 2
    # The second of two validations is made the worse one.
    scores = iter([40.0, 30.0])
    monkeypatch.setattr(IoUMetric, "compute_metrics", lambda self, results: {"mIoU": next(scores)})
    kept = train_segmentor(complete(tiny_config), out_dir=tmp_path / "best")
    chosen = json.loads((tmp_path / "best" / CHOSEN).read_text())
    assert chosen == {"iteration": 2, "how": "chosen on val, one scale"}
    assert not list((tmp_path / "best").glob("*_iter_*.pth"))
    tiny_config.select = "last"
    last = train_segmentor(complete(tiny_config), out_dir=tmp_path / "last")
    assert not (tmp_path / "last" / CHOSEN).exists()
    assert not torch.equal(kept.decode_head.convs[0].weight, last.decode_head.convs[0].weight)


def test_only_the_last_checkpoints_are_kept(tiny_config, tmp_path, monkeypatch):
    tiny_config.train_cfg.max_iters = 5
    tiny_config.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=2)
    monkeypatch.setattr("segment.train.load_network", lambda model, file: None)
    seen = []
    save = Runner.save_checkpoint

    def note(self, out_dir, filename, *args, **kwargs):
        save(self, out_dir, filename, *args, **kwargs)
        seen.append(sorted(file.name for file in tmp_path.glob("iter_*.pth")))

    monkeypatch.setattr(Runner, "save_checkpoint", note)
    train_segmentor(complete(tiny_config), out_dir=tmp_path)
    assert max(len(names) for names in seen) <= 3
    assert [file.name for file in tmp_path.glob("*.pth")] == [NETWORK]


def test_half_precision_on_cpus_is_bfloat16(tiny_config, tmp_path):
    tiny_config.amp = "bf16"
    tiny_config.train_cfg.max_iters = 2
    kinds = []
    forward = segment.deeplabv2.DeepLabV2Head.forward

    def note(self, inputs):
        logit = forward(self, inputs)
        if self.training:  # pictures of the network's progress are drawn in full precision
            kinds.append(logit.dtype)
        return logit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment.deeplabv2.DeepLabV2Head, "forward", note)
        network = train_segmentor(complete(tiny_config), out_dir=tmp_path)
    assert kinds == [torch.bfloat16] * 2
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@pytest.mark.gpu
def test_half_precision_trains_on_a_gpu(tiny_config, tmp_path):
    tiny_config.amp = "fp16"
    network = train_segmentor(complete(tiny_config), out_dir=tmp_path)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_a_batch_is_shared_by_the_processes(tiny_config, monkeypatch):
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: 2)
    assert complete(tiny_config).train_dataloader.batch_size == 1
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: 3)
    with pytest.raises(ConfigError, match=r"3 processes can share, got train_dataloader\.batch_size=2: set"):
        complete(tiny_config)


def test_windows_reach_the_network(tiny_config):
    tiny_config.infer.window = 100
    test_cfg = complete(tiny_config).model.test_cfg
    assert test_cfg == {"mode": "slide", "crop_size": (100, 100), "stride": (67, 67)}


def test_plain_mmsegmentation_trains_and_tests_a_preset(tiny_config, demo_settings, tmp_path):
    """What tools/train.py and tools/test.py of mmsegmentation do, with nothing of the stage's."""
    config = copy.deepcopy(tiny_config)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.dataset = demo_settings
        loader.num_workers, loader.persistent_workers = 0, False
    config.param_scheduler.end = config.train_cfg.max_iters
    config.work_dir = str(tmp_path)
    config.log_level = "ERROR"
    config.experiment_name = tmp_path.name
    runner = Runner.from_cfg(config)
    runner.train()
    figures = runner.test()
    assert 0 <= figures["mIoU"] <= 100
    assert (tmp_path / "iter_4.pth").is_file()
