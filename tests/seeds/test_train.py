"""A seeds config becomes a network and its parameter groups."""

import pytest

from seeds.train import _parameter_groups, build_network
from wsss.config import load_config
from wsss.errors import ConfigError


def build(*options):
    config = load_config("seeds", "demo", options=options)
    return build_network(config, 6, steps_per_epoch=30), config


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("method=bass", "expected one of 'bas', 'cam', 'combine', got 'bass': correct 'method'"),
        ("infer.fuse=mean", "expected one of None, 'average', 'replace', got 'mean': correct 'infer.fuse'"),
        ("train.on_dead_maps=no", "expected one of 'stop', 'warn', got 'no': correct 'train.on_dead_maps'"),
        ("infer.fuse=average", "model.foreground=True for infer.fuse='average', got 'bas' and False"),
        ("model.foreground=True method=cam infer.fuse=average", "expected method='bas'.*got 'cam' and True"),
    ],
)
def test_values_are_checked_before_anything_is_trained(option, message):
    with pytest.raises(ConfigError, match=message):
        build(*option.split())


def test_warmup_is_counted_in_steps():
    network, _ = build("model.warmup_epochs=3")
    assert network.warmup_steps == 90


def test_foreground_map_is_trained_at_the_generators_rate():
    plain, _ = build()
    assert plain.foreground_generator is None
    network, config = build("model.foreground=True", "train.generator_factor=4.0")
    groups = _parameter_groups(network, config["train"])
    assert groups[-1]["lr"] == pytest.approx(4 * config["train"]["learning_rate"])
    expected = {id(network.generator.weight), id(network.foreground_generator.weight)}
    assert {id(parameter) for parameter in groups[-1]["params"]} == expected


def test_every_parameter_is_trained_once():
    network, config = build("model.foreground=True", "infer.fuse=replace")
    grouped = [
        id(parameter)
        for group in _parameter_groups(network, config["train"])
        for parameter in group["params"]
    ]
    assert sorted(grouped) == sorted(id(parameter) for parameter in network.parameters())


def test_batch_norms_biases_stay_out_where_the_authors_leave_them():
    network, config = build("train.biases=False")
    grouped = {
        id(parameter)
        for group in _parameter_groups(network, config["train"])
        for parameter in group["params"]
    }
    left_out = {name for name, parameter in network.named_parameters() if id(parameter) not in grouped}
    assert left_out == {name for name, _ in network.named_parameters() if name.endswith(".bias")} != set()
