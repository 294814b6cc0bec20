"""Trained networks from files: ours, and those that the authors released, used without training."""

import logging

import pytest
import torch

from seeds.contract import Plan
from seeds.methods import find_method
from seeds.train import build_training, load_given, train_in_turn
from wsss.cli.stages import load_config
from wsss.errors import ConfigError
from wsss.keys import settings_that_matter

CLASSES = ("cat", "dog", "cow")


def plan_of(method, **model):
    """A plan for resnet18 from random weights."""
    config = load_config("seeds", f"{method}_plain8_demo")
    plain = {"normalize_features": False} if method == "bas" else {}  # the authors have no normalizer
    config.model.update(backbone="resnet18", pretrained=None, **plain, **model)
    return Plan(config, CLASSES, 8)


def other_network(method, plan):
    """A network of the same kind with other weights."""
    plan.config.random_seed = 5
    network = build_training(find_method(method), "train", plan, {}).network
    plan.config.random_seed = 0
    return network


def library_names(backbone):
    return {theirs: backbone.state_dict()[ours].clone() for theirs, ours in backbone._names.items()}


def authors_bas(network):
    heads = {
        "classifier_cls.weight": network.classifier.weight.detach(),
        "classifier_loc.0.weight": network.generator.weight.detach(),
    }
    return {f"module.{key}": value for key, value in (library_names(network.backbone) | heads).items()}


def authors_cam(network):
    own = {f"resnet50.{key}": value for key, value in library_names(network.backbone).items()}
    twice = {"classifier.weight": network.classifier.weight.detach()}
    return own | twice | {"newly_added.0.weight": twice["classifier.weight"]}


@pytest.mark.parametrize(("method", "rename"), [("bas", authors_bas), ("cam", authors_cam)])
@pytest.mark.parametrize("form", ["ours", "authors"])
def test_every_weight_of_a_given_network_is_taken(method, rename, form, tmp_path, caplog):
    plan = plan_of(method)
    network = other_network(method, plan)
    file = tmp_path / "given.pth"
    torch.save(network.state_dict() if form == "ours" else rename(network), file)
    plan.config.model.weights = str(file)
    with caplog.at_level(logging.INFO):
        loaded = load_given(find_method(method), plan)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(loaded.state_dict()[name], value), name
    left_out = "left out: 1 (first: newly_added.0.weight)" if rename is authors_cam else "left out: none"
    if form == "authors":
        assert "given.pth loaded by the authors' names" in caplog.text
        assert left_out in caplog.text


def test_nothing_is_trained(tmp_path):
    plan = plan_of("bas")
    network = other_network("bas", plan)
    torch.save(network.state_dict(), tmp_path / "given.pth")
    plan.config.model.weights = str(tmp_path / "given.pth")

    class Classes:
        classes = CLASSES

    predictor, figures = train_in_turn(
        find_method("bas"), plan.config, Classes(), ["a"] * 4, out_dir=tmp_path / "train"
    )
    assert figures == {}
    assert torch.equal(predictor.generator.weight.cpu(), network.generator.weight)
    assert [one.name for one in (tmp_path / "train").iterdir()] == ["backbone.pth"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.pop("module.classifier_loc.0.weight"), r"missing \['generator.weight'\]"),
        (lambda entries: entries.update(more=torch.zeros(1)), r"unknown \['more'\]"),
        (
            lambda entries: entries.update({"module.classifier_cls.weight": torch.zeros(20, 512, 1, 1)}),
            r"expected a trained bas of 3 classes in .*given\.pth, got size mismatch for classifier\.weight",
        ),
    ],
)
def test_other_networks_are_refused_in_one_line(change, message, tmp_path):
    plan = plan_of("bas")
    entries = authors_bas(other_network("bas", plan))
    change(entries)
    torch.save(entries, tmp_path / "given.pth")
    plan.config.model.weights = str(tmp_path / "given.pth")
    with pytest.raises(ConfigError, match=message):
        load_given(find_method("bas"), plan)


@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        ({}, {"two_levels": True}, r"got entries 1 missing \(last_generator\.weight\): "),
        ({"two_levels": True}, {}, r"got entries 1 unknown \(last_generator\.weight\): "),
        ({"foreground": True}, {"two_levels": True}, r"1 missing \(last_.*\), 1 unknown \(foreg.*\): "),
    ],
)
def test_our_networks_of_other_settings_are_named_so(trained, asked, message, tmp_path):
    file = tmp_path / "given.pth"
    torch.save(other_network("bas", plan_of("bas", **trained)).state_dict(), file)
    with pytest.raises(ConfigError, match=f"bas of 3 classes .*{message}correct 'model.weights', or "):
        load_given(find_method("bas"), plan_of("bas", weights=str(file), **asked))


def test_a_class_agnostic_map_is_not_made_from_random_weights(tmp_path):
    plan = plan_of("bas")
    torch.save(authors_bas(other_network("bas", plan)), tmp_path / "given.pth")
    plan = plan_of("bas", foreground=True, weights=str(tmp_path / "given.pth"))
    with pytest.raises(ConfigError, match=r"missing \['foreground_generator.weight'\]"):
        load_given(find_method("bas"), plan)


def test_seeds_made_before_the_setting_stay_and_files_stand_by_their_contents(tmp_path):
    config = plan_of("bas").config
    assert "model.weights" not in settings_that_matter(config)
    (tmp_path / "given.pth").write_bytes(b"contents")
    config.model.weights = str(tmp_path / "given.pth")
    assert len(settings_that_matter(config)["model.weights"]) == 64
