"""Seed methods are found, own their settings, and run their trainings in turn."""

import pytest
import torch
from torch import nn

from seeds.methods import (
    BUILT_IN,
    SeedMethod,
    TrainedMethod,
    Training,
    find_method,
    method_of_key,
)
from seeds.train import train_in_turn
from wsss.cli.stages import load_config
from wsss.config import flatten
from wsss.errors import ConfigError
from wsss.methods import protocol_members
from wsss.training import Schedule


def preset(folder, method):
    file = folder / f"{method}.py"
    file.write_text("" if method is None else f'method = "{method}"')
    return file


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_methods_have_all_members(name, tmp_path):
    method = find_method(name)
    assert method.name == name
    assert all(hasattr(method, member) for member in protocol_members(SeedMethod))
    # Ranges are of settings that are there.
    assert set(method.ranges) <= set(dict(flatten(load_config("seeds", "demo", path=preset(tmp_path, name)))))


def test_unknown_methods_are_refused():
    with pytest.raises(
        ConfigError, match=r"expected a method out of bas.*, cam, combine.*did you mean 'cam'"
    ):
        find_method("cmam")


def test_defaults_are_the_common_ones_and_the_methods_own(tmp_path):
    bas, cam, combine = (
        load_config("seeds", "demo", path=preset(tmp_path, name)) for name in ("bas", "cam", "combine")
    )
    assert bas["model"]["cut"] == 3
    assert bas["train"]["batch_size"] == cam["train"]["batch_size"] == 16
    assert cam["model"]["frozen_levels"] == 3
    assert "cut" not in cam["model"]
    assert "frozen_levels" not in bas["model"]
    assert combine["reads"] == ()
    assert combine["infer"]["fuse"] is None
    assert load_config("seeds", "demo", path=preset(tmp_path, None))["method"] == "bas"


@pytest.mark.parametrize(
    ("key", "owners"),
    [
        ("model.cut", ["bas"]),
        ("model.frozen_levels", ["cam"]),
        ("model.loss_weights", ["bas"]),
        ("infer.image_specific", ["bas", "cam"]),
        ("reads", ["combine"]),
        ("train.epochs", []),
        ("model.cat", []),
    ],
)
def test_a_key_leads_to_the_methods_that_own_it(key, owners):
    assert [name for name in method_of_key(key) if name in ("bas", "cam", "combine")] == owners


class Slope(nn.Module):
    """One weight, drawn at random, that is pulled towards a target."""

    steps = 0

    def __init__(self, target):
        super().__init__()
        self.target, self.start = target, torch.randn(1)
        self.weight = nn.Parameter(self.start.clone())

    def training_losses(self, batch, *, step):
        Slope.steps += 1
        return {"loss": (self.weight - self.target).square().mean()}


class Pair(TrainedMethod):
    """The second training aims at twice what the first one reached, with Adam in place of SGD."""

    name = "pair"

    def trainings(self, config):
        return ("first", "second")

    def build(self, training, plan, trained):
        target = 3.0 if training == "first" else 2 * trained["first"].weight.detach()
        network = Slope(target)
        groups = [{"params": list(network.parameters())}]
        schedule = Schedule(
            epochs=20,
            batch_size=2,
            learning_rate=0.1,
            momentum=0,
            weight_decay=0,
            num_workers=0,
            rates={"type": "ConstantLR", "factor": 1.0},
        )
        return Training(
            network,
            schedule,
            groups,
            **({} if training == "first" else {"optimizer": lambda groups, _: torch.optim.Adam(groups, 0.3)}),
            images=lambda dataset, image_ids: Numbers(),
            figures=lambda: {f"reached_by_{training}": network.weight.item()},
        )


class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"x": torch.zeros(1)}


class Classes:
    classes = ("one",)


def test_trainings_run_in_turn_and_are_loaded_the_second_time(tmp_path, monkeypatch):
    config = load_config("seeds", "demo")
    method = Pair()
    monkeypatch.setattr(Slope, "steps", 0)
    predictor, figures = train_in_turn(method, config, Classes(), ["a"] * 4, out_dir=tmp_path)
    assert figures["reached_by_first"] == pytest.approx(3, abs=0.1)
    assert figures["reached_by_second"] == pytest.approx(6, abs=0.3)
    assert sorted(file.name for file in tmp_path.glob("*/network.pth")) == ["network.pth"] * 2
    assert (tmp_path / "first/network.pth").is_file()
    assert not (tmp_path / "backbone.pth").exists()
    assert Slope.steps == 2 * 20 * 2
    again, same = train_in_turn(method, config, Classes(), ["a"] * 4, out_dir=tmp_path)
    assert same == figures
    assert torch.equal(again.weight, predictor.weight)
    # Each training's random numbers follow from the seed alone, whatever was trained before it.
    assert torch.equal(again.start, predictor.start)
    assert Slope.steps == 2 * 20 * 2
