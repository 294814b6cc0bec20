"""Optimizers: SGD as torch builds it, AdamW without decay of norms, rates that fall with the depth."""

import dataclasses
import types

import pytest
import torch
from torch import nn

from wsss.backbones import build_backbone
from wsss.errors import ConfigError
from wsss.optim import build_optimizer, decay_layers, without_decay_of_norms
from wsss.training import Schedule

SCHEDULE = Schedule(epochs=1, batch_size=1, learning_rate=0.1, momentum=0.8, weight_decay=0.3)


def schedule(**changes):
    return dataclasses.replace(SCHEDULE, **changes)


class Network(nn.Module):
    """A backbone with one new layer."""

    def __init__(self, name="plain8"):
        super().__init__()
        self.backbone = build_backbone(name)
        self.classifier = nn.Conv2d(self.backbone.channels[-1], 2, 1)

    def groups(self):
        return [
            {"params": list(self.backbone.parameters())},
            {"params": [self.classifier.weight], "lr": 1.0},
            {"params": [self.classifier.bias], "lr": 2.0, "weight_decay": 0.0},
        ]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network()


def ids(parameters):
    return [id(one) for one in parameters]


def test_sgd_is_torchs_with_the_same_groups_in_the_same_order(network):
    got = build_optimizer(network.groups(), SCHEDULE, network=network)
    expected = torch.optim.SGD(network.groups(), lr=0.1, momentum=0.8, weight_decay=0.3)
    assert type(got) is torch.optim.SGD
    assert got.defaults == expected.defaults
    for ours, theirs in zip(got.param_groups, expected.param_groups, strict=True):
        assert ids(ours.pop("params")) == ids(theirs.pop("params"))
        assert ours == theirs


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"optimizer": "adam", "betas": (0.8, 0.99)}, torch.optim.Adam, {"betas": (0.8, 0.99)}),
        ({"nesterov": True}, torch.optim.SGD, {"nesterov": True, "momentum": 0.8}),
    ],
)
def test_adam_and_nesterov_are_torchs(network, changes, kind, expected):
    got = build_optimizer(network.groups(), schedule(**changes), network=network)
    assert type(got) is kind
    assert got.defaults.items() >= {"lr": 0.1, "weight_decay": 0.3, **expected}.items()
    assert [ids(group["params"]) for group in got.param_groups] == [
        ids(group["params"]) for group in network.groups()
    ]


def test_adamw_decays_weights_alone(network):
    optimizer = build_optimizer(
        network.groups(), schedule(optimizer="adamw", betas=(0.8, 0.99)), network=network
    )
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults["betas"] == (0.8, 0.99)
    groups = optimizer.param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (0.1, 0.3),
        (0.1, 0),
        (1, 0.3),
        (2, 0),
    ]
    assert [{one.ndim for one in group["params"]} for group in groups] == [{4}, {1}, {4}, {1}]
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_adamw_by_hand():
    """A step of 0.1 x the sign of the gradient; the decay takes 0.1 x 0.3 of weights, nothing of biases."""
    weight, bias = nn.Parameter(torch.full((1, 1), 2.0)), nn.Parameter(torch.full((1,), 2.0))
    optimizer = build_optimizer([{"params": [weight, bias]}], schedule(optimizer="adamw"))
    (weight.sum() + bias.sum()).backward()
    optimizer.step()
    assert weight.item() == pytest.approx(2 * (1 - 0.03) - 0.1)
    assert bias.item() == pytest.approx(2 - 0.1)


def test_tables_of_positions_are_not_decayed():
    network = build_backbone("timm:vit_tiny_patch16_224")
    (level,) = (one for one in network.levels[0].modules() if hasattr(one, "pos_embed"))
    groups = [{"params": list(network.parameters())}]
    decayed, plain = without_decay_of_norms(groups, network)
    assert id(level.pos_embed) in ids(plain["params"])
    assert all(one.ndim > 1 for one in decayed["params"])
    unnamed, _ = without_decay_of_norms(groups)
    assert id(level.pos_embed) in ids(unnamed["params"])


def test_rates_fall_from_level_to_level(network):
    optimizer = build_optimizer(network.groups(), schedule(layer_decay=0.5), network=network)
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    for index, level in enumerate(network.backbone.levels):
        for parameter in level.parameters():
            assert rates[id(parameter)] == pytest.approx(0.1 * 0.5 ** (4 - index))
    # New layers keep the rates that they have.
    assert rates[id(network.classifier.weight)] == 1.0
    assert rates[id(network.classifier.bias)] == 2.0
    assert len(rates) == len(list(network.parameters()))


def test_parts_of_a_group_keep_its_settings(network):
    groups = [{"params": list(network.parameters()), "lr": 2.0, "weight_decay": 0.7}]
    parts = decay_layers(groups, network, learning_rate=0.1, decay=0.1)
    assert [part["lr"] for part in parts] == pytest.approx([2.0, 0.2, 0.02, 0.002, 0.0002])
    assert {part["weight_decay"] for part in parts} == {0.7}
    last = {*ids(network.backbone.levels[4].parameters()), *ids(network.classifier.parameters())}
    assert set(ids(parts[0]["params"])) == last
    assert len(groups[0]["params"]) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "expected optimizer 'sgd', 'adam', 'adamw', got 'lion': choose one"),
        ({"layer_decay": 0.0}, r"expected layer_decay above 0 and at most 1, got 0\.0"),
        ({"layer_decay": 1.5}, r"expected layer_decay above 0 and at most 1, got 1\.5"),
        ({"layer_decay": 0.5}, r"one of the project's backbones for layer_decay=0\.5, got a network without"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    line = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match=message):
        build_optimizer([{"params": list(line.parameters())}], schedule(**changes), network=line)


def test_settings_need_not_be_a_schedule():
    settings = types.SimpleNamespace(
        optimizer="sgd",
        learning_rate=1.0,
        momentum=0.0,
        weight_decay=0.0,
        nesterov=False,
        betas=(0.9, 0.999),
        layer_decay=1.0,
    )
    weight = nn.Parameter(torch.ones(1))
    optimizer = build_optimizer([{"params": [weight]}], settings)
    weight.square().sum().backward()
    optimizer.step()
    assert weight.item() == pytest.approx(-1.0)
