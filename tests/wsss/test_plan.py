"""The plan of a run: what would run and why, and every refusal before anything is made."""

import json
from pathlib import Path

import pytest
import torch

from wsss.cli.plan import Request, describe, make_plan, seconds_of
from wsss.cli.stages import load_stage
from wsss.config import load_settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError, ConfigError, DataError

TINY = (
    "dataset.train=8", "dataset.val=2", "dataset.side=96",
    "seeds.train.epochs=1", "model.warmup_epochs=0", "train.batch_size=4", "train.num_workers=0",
    "seeds.infer.scales=(1.0,)", "seeds.train.resize=48", "seeds.train.crop=48", "train.on_dead_maps=warn",
)  # fmt: skip


@pytest.fixture(scope="module")
def demo_root(tmp_path_factory):
    return tmp_path_factory.mktemp("plan") / "demo"


@pytest.fixture
def ask(demo_root, tmp_path):
    def make(stage="all", *options, dataset="demo", **fields):
        root = () if dataset != "demo" else (f"dataset.root={demo_root}", *TINY[:3])
        fields = {"work_dir": tmp_path / "work", "options": (*root, *options)} | fields
        return make_plan(Request(stage, dataset, **fields))

    return make


@pytest.fixture
def published_seeds(demo_root, tmp_path):
    """Seeds of the demo in a folder of their own."""
    options = [f"dataset.root={demo_root}", *(one.removeprefix("seeds.") for one in TINY)]
    stage = load_stage("seeds")
    settings = load_settings(stage, "demo", options=options)
    return run_stage(stage, settings, dataset_name="demo", work_dir=tmp_path / "elsewhere").dir


def names(steps):
    return [step.name for step in steps]


def test_a_plan_makes_nothing_and_names_all_artifacts_in_order(ask, tmp_path):
    steps = ask()
    assert names(steps) == ["seeds", "seeds-cam", "masks", "segment", "segment-full"]
    assert {step.action for step in steps} == {"run"}
    assert not any(one for one in (tmp_path / "work").rglob("*") if one.name != ".contents.json")
    rows = [describe(step) for step in steps]
    assert rows[2]["reads"] == {"seeds": str(tmp_path / "work" / "seeds")}
    assert rows[0]["images"] == 8
    json.dumps(rows)


def test_keys_are_known_before_anything_is_made(ask):
    first, again = ask(), ask()
    assert [step.state["key"] for step in first] == [step.state["key"] for step in again]
    # What is made from seeds depends on them before they are there.
    other = ask("all", "seeds.train.epochs=41")
    keys = {step.name: step.state["key"] for step in first}
    assert all(step.state["key"] != keys[step.name] for step in other if step.name != "seeds-cam") is True


def test_an_override_goes_to_each_stage_that_knows_it(ask):
    steps = {step.name: step for step in ask("all", "train.epochs=20", "segment.train_cfg.max_iters=7")}
    assert steps["seeds"].settings.config.train.epochs == 20
    assert steps["masks"].settings.config.train.epochs == 20
    assert steps["segment"].settings.config.train_cfg.max_iters == 7


def test_an_override_may_name_its_stage(ask):
    steps = {step.name: step for step in ask("all", "seeds.train.epochs=20")}
    assert steps["seeds"].settings.config.train.epochs == 20
    assert steps["masks"].settings.config.train.epochs == 6


@pytest.mark.parametrize(
    ("stage", "option", "message"),
    [
        ("all", "train.epoch=2", "got 'train.epoch' in --cfg-options: did you mean 'train.epochs'"),
        ("all", "seeds.train.epoch=2", "did you mean 'train.epochs'"),
        ("seeds", "segment.amp=bf16", "that stage is not part of this run"),
        ("seeds", "train.epochs=-3", "seeds: expected train.epochs at least 1, got -3"),
        ("all", "segment.train_cfg.max_iters=0", "segment: expected train_cfg.max_iters at least 1, got 0"),
        ("all", "randomness.seed=1", "got 'randomness.seed' in --cfg-options: set random_seed"),
        ("all", "param_scheduler.end=9", "set train_cfg.max_iters"),
        ("all", "train_dataloader.dataset.masks=x", "give --masks DIR"),
        ("all", "model.decode_head.num_classes=3", "takes it from the data set"),
        ("seeds", "model.warmup_epochs=40", "warm"),
        ("segment", "infer.scales=()", "expected infer.scales of type tuple"),
        ("segment", "model.backbone.pretrained=imagenet", "set model.pretrained"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_the_plan(ask, tmp_path, stage, option, message):
    with pytest.raises(ConfigError) as raised:
        ask(stage, option)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "work" / "seeds").exists()


def test_a_key_of_another_method_says_so(ask):
    with pytest.raises(ConfigError, match=r"got 'model.cut'.*setting of 'bas'"):
        ask("seeds", "model.cut=3", config=Path("configs/seeds/cam_plain8_demo.py").absolute())


def test_absent_weights_and_those_of_another_network_are_one_line(ask, tmp_path):
    with pytest.raises(ConfigError, match=r"^seeds: .*nowhere.pth, found no file"):
        ask("all", f"model.pretrained={tmp_path / 'nowhere.pth'}")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"^seeds: ") as raised:
        ask("all", f"model.pretrained={tmp_path / 'other.pth'}")
    assert "\n" not in str(raised.value)


def test_a_missing_input_names_the_command_that_makes_it(ask):
    with pytest.raises(ArtifactError, match=r"refine needs it: tools/run_stage.sh seeds demo"):
        ask("refine")


def test_missing_data_is_found_before_the_first_stage(ask, tmp_path):
    with pytest.raises(ConfigError, match=r"^seeds: .*nowhere, found none"):
        ask("all", f"dataset.root={tmp_path / 'nowhere'}", dataset="voc")
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError, match=r"^seeds: expected the folder ImageSets"):
        ask("all", f"dataset.root={tmp_path}", dataset="voc")


def test_given_seeds_replace_the_stage_that_makes_them(ask, published_seeds):
    weights = "model.pretrained=none"
    steps = ask("all", weights, *TINY[3:4], given={"seeds": published_seeds})
    assert names(steps) == ["masks", "segment", "segment-full"]
    assert steps[0].inputs["seeds"].dir == published_seeds


def test_an_input_that_nothing_reads_is_refused(ask, published_seeds):
    with pytest.raises(ConfigError, match="got --seeds: seeds demo reads nothing, leave it out"):
        ask("seeds", given={"seeds": published_seeds})


def test_what_is_up_to_date_is_skipped_and_what_is_stale_says_why(ask, demo_root, tmp_path):
    options = [f"dataset.root={demo_root}", *(one.removeprefix("seeds.") for one in TINY)]
    stage = load_stage("seeds")
    settings = load_settings(stage, "demo", options=options)
    run_stage(stage, settings, dataset_name="demo", work_dir=tmp_path / "work")
    again = {step.name: step for step in ask("seeds", *TINY[3:])}
    assert again["seeds"].action == "skip"
    assert again["seeds-cam"].action == "run"
    changed = {step.name: step for step in ask("seeds", *TINY[3:], "infer.flip=False")}["seeds"]
    assert (changed.action, changed.reasons) == ("run", ("infer.flip: True -> False",))
    assert changed.takes_over == ("train",)


def test_too_little_disk_is_named(ask, monkeypatch):
    import shutil

    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ArtifactError, match=r"GiB free in .*, found 0.0 GiB"):
        ask()


def test_time_is_guessed_from_measured_backbones_where_no_run_was_made(ask, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    steps = ask()
    assert all(seconds_of(step)[1] == "guess" and seconds_of(step)[0] > 0 for step in steps)
    (longer, *_) = ask("seeds", "train.epochs=80")
    assert seconds_of(longer)[0] > 1.5 * seconds_of(steps[0])[0]


def test_no_time_is_guessed_for_a_backbone_that_nobody_measured(ask):
    (step, *_) = ask("seeds", "model.backbone=timm:resnet10t")
    assert seconds_of(step) is None
