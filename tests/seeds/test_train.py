"""A seeds config becomes networks and their parameter groups."""

import pytest
import torch
from torch import nn

from seeds.methods import Plan, check_settings, find_method
from seeds.train import build_training
from wsss.cli.stages import load_config
from wsss.errors import ConfigError
from wsss.presets import CONFIG_DIR

CLASSES = ("a", "b", "c", "d", "e", "f")


def build(*options, path=None):
    """The training of the demo's preset, or of a file, and its config."""
    config = load_config("seeds", "demo", path=path, options=options)
    check_settings(config)
    return build_training(find_method(config.method), "train", Plan(config, CLASSES, 480), {}), config


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "method=bass",
            "expected a method out of bas, bas_localization, .*, ornet, got 'bass': did you mean 'bas'",
        ),
        ("infer.fuse=mean", "expected infer.fuse one of None, 'average', 'replace', got 'mean'"),
        ("train.on_dead_maps=no", "expected train.on_dead_maps one of 'stop', 'warn', got 'no'"),
        ("infer.fuse=average", "model.foreground=True for infer.fuse='average', got False"),
        ("model.cut=5", "expected model.cut at least 1 and at most 4, got 5: correct 'model.cut'"),
        ("train.epochs=0", "expected train.epochs at least 1, got 0"),
        ("infer.scales=(1.0,0.0)", "expected infer.scales above 0"),
        (
            "infer.amp=fp8",
            r"expected infer.amp one of None, 'bf16', 'fp16' \(fp16 needs a GPU, bf16 does not\), got 'fp8'",
        ),
    ],
)
def test_values_are_checked_before_anything_is_made(option, message):
    with pytest.raises(ConfigError, match=message):
        check_settings(load_config("seeds", "demo", options=[option]))


def test_warmup_is_counted_in_steps():
    training, _ = build("model.warmup_epochs=3")
    assert training.network.warmup_steps == 90


def test_foreground_map_is_trained_at_the_generators_rate():
    plain, _ = build()
    assert plain.network.foreground_generator is None
    training, config = build("model.foreground=True", "train.generator_factor=4.0")
    assert training.parameter_groups[-1]["lr"] == pytest.approx(4 * config.train.learning_rate)
    expected = {id(training.network.generator.weight), id(training.network.foreground_generator.weight)}
    assert {id(parameter) for parameter in training.parameter_groups[-1]["params"]} == expected


def test_two_levels_beside_the_last_one_are_refused_at_once():
    options = ["model.two_levels=True", "model.cut=4"]
    with pytest.raises(ConfigError, match=r"expected cut 1 to 3 with model\.two_levels=True, got 4"):
        check_settings(load_config("seeds", "demo", options=options))


def grouped(training):
    return [id(parameter) for group in training.parameter_groups for parameter in group["params"]]


def test_every_parameter_is_trained_once():
    training, _ = build("model.foreground=True", "infer.fuse=replace", "model.two_levels=True")
    assert sorted(grouped(training)) == sorted(id(one) for one in training.network.parameters())


def test_batch_norms_biases_stay_out_where_the_authors_leave_them():
    training, _ = build("train.biases=False")
    names = dict(training.network.named_parameters())
    left_out = {name for name, parameter in names.items() if id(parameter) not in grouped(training)}
    assert left_out == {name for name in names if name.endswith(".bias")} != set()


def test_the_same_seed_gives_the_same_weights():
    first, second, other = (build(f"random_seed={seed}")[0].network for seed in (0, 0, 1))
    assert bool((first.generator.weight == second.generator.weight).all())
    assert not bool((first.generator.weight == other.generator.weight).all())


@pytest.mark.parametrize(
    ("mode", "affine", "statistics"), [("train", 58, 58), ("fixed_statistics", 58, 0), ("fixed", 0, 0)]
)
def test_what_batch_norm_learns_in_a_step_of_irns_recipe(mode, affine, statistics):
    """IRN trains the weights and biases of the 29 batch norms of layer3 and layer4, on fixed statistics."""
    path = CONFIG_DIR / "seeds/cam_r50_voc.py"
    options = ["model.pretrained=None", f"model.batch_norm={mode}"]
    assert load_config("seeds", "-", path=path).model.batch_norm == "fixed_statistics"
    training, _ = build(*options, path=path)
    network = training.network.train()
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)][-29:]
    tensors = lambda: [t.clone() for one in norms for t in (one.weight.data, one.bias.data)]  # noqa: E731
    running = lambda: [t.clone() for one in norms for t in (one.running_mean, one.running_var)]  # noqa: E731
    before, seen = tensors(), running()
    optimizer = training.optimizer(training.parameter_groups, training.schedule)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network.training_losses({"image": images, "tags": torch.eye(6)[:2]}, step=0)["loss"].backward()
    optimizer.step()
    assert sum(not torch.equal(one, two) for one, two in zip(before, tensors(), strict=True)) == affine
    assert sum(not torch.equal(one, two) for one, two in zip(seen, running(), strict=True)) == statistics
    assert all(parameter.grad is None for parameter in network.backbone.levels[:3].parameters())
