"""Configs: every preset loads, and no misspelt key passes."""

import functools
import runpy

import pytest

from wsss.cli.stages import STAGES, load_config, load_stage
from wsss.config import (
    CONFIG_DIR,
    apply_options,
    flatten,
    load_dataset_settings,
    load_settings,
    options_of,
)
from wsss.errors import ConfigError

PRESETS = sorted(file for file in CONFIG_DIR.glob("[!_]*/*.py"))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_preset_loads(file):
    config = load_config(file.parent.name, file.stem)
    assert config.dataset.train_split
    for baseline in (config.get("baselines") or {}).values():
        assert (file.parent / baseline).is_file()


def test_overrides_are_parsed():
    options = ["train.epochs=3", "infer.scales=(1, 2)", "model.backbone=resnet34", "train.momentum=0"]
    config = load_config("seeds", "demo", options=options)
    assert config.train.epochs == 3
    assert config.infer.scales == (1, 2)
    assert config.model.backbone == "resnet34"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("train.epoch=3", "got 'train.epoch' in --cfg-options: did you mean 'train.epochs'"),
        ("modle.cut=3", "did you mean 'model.cut'"),
        ("train.epochs", "expected KEY=VALUE, got 'train.epochs'"),
        ("train.epochs=many", "expected train.epochs of type int .*got 'many'"),
        ("train.epochs=True", "expected train.epochs of type int .*got True"),
        ("infer.flip=1", "expected infer.flip of type bool"),
        ("infer.scales=('1', '2')", r"expected infer.scales of type tuple \(such as \("),
        ("train=3", "expected a table for train, got 3 in --cfg-options: set one of its keys, such as train"),
        (
            "model.loss_weights={'aera': 0.5}",
            "got 'model.loss_weights.aera' .*did you mean 'model.loss_weights.area'",
        ),
        ("model.loss_weights={'area': 'much'}", "expected model.loss_weights.area of type float"),
    ],
)
def test_wrong_overrides_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        load_config("seeds", "demo", options=[option])


@pytest.mark.parametrize(
    ("stage", "preset", "name"),
    [
        ("refine", "irn_mbv1_folder.py", "infer.background_score"),
        ("refine", "irn_mbv1_folder.py", "infer.seed_power"),
        ("refine", "crf_folder.py", "infer.threshold"),
        ("seeds", "bas_mbv1_folder.py", "infer.threshold"),
    ],
)
def test_a_number_takes_the_place_of_what_tags_choose(stage, preset, name):
    table, key = name.split(".")
    path = CONFIG_DIR / stage / preset
    assert load_config(stage, "folder", path=path)[table][key] == "tags"
    assert load_config(stage, "folder", path=path, options=[f"{name}=0.4"])[table][key] == 0.4
    with pytest.raises(ConfigError, match=f"expected {name} of type"):
        load_config(stage, "folder", path=path, options=[f"{name}=True"])


def test_unknown_key_in_a_file_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    base = CONFIG_DIR / "seeds" / "demo.py"
    file.write_text(f'_base_ = ["{base}"]\ntrain = dict(leraning_rate=1.0)\n')
    with pytest.raises(
        ConfigError, match=r"train.leraning_rate.*mine.py: did you mean 'train.learning_rate'"
    ):
        load_config("seeds", "demo", path=file)


def test_a_table_of_another_type_has_settings_of_its_own(tmp_path):
    file = tmp_path / "mine.py"
    head = f'_base_ = ["{CONFIG_DIR / "segment" / "demo.py"}"]\n'
    file.write_text(
        head + 'optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-3, betas=(0.9, 0.9)))\n'
    )
    # Of the file below and of the defaults below that nothing is left: Adam knows no momentum.
    optimizer = load_config("segment", "demo", path=file).optim_wrapper.optimizer
    assert optimizer == {"type": "Adam", "lr": 1e-3, "betas": (0.9, 0.9)}
    # Its neighbours are checked as before, and so is the same table with the type of the default.
    file.write_text(head + 'optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam"), clip=1)\n')
    with pytest.raises(ConfigError, match=r"got 'optim_wrapper\.clip'"):
        load_config("segment", "demo", path=file)
    file.write_text(head + "optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.9)))\n")
    with pytest.raises(ConfigError, match=r"got 'optim_wrapper\.optimizer\.betas'"):
        load_config("segment", "demo", path=file)


def test_a_file_with_substitutions_of_mmengine_has_sources(tmp_path):
    file = tmp_path / "mine.py"
    base = CONFIG_DIR / "seeds" / "demo.py"
    file.write_text(f'_base_ = ["{base}"]\ntrain = dict(crop={{{{_base_.train.resize}}}})\n')
    settings = load_settings(load_stage("seeds"), "demo", path=file)
    assert settings.config.train.crop == settings.config.train.resize
    assert settings.sources["train.crop"] == str(file)
    assert settings.sources["train.batch_size"] == "_base_/seeds.py"


def test_absent_and_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"got 'dmeo': did you mean 'demo'"):
        load_config("seeds", "dmeo")
    (tmp_path / "broken.py").write_text("a = (")
    with pytest.raises(ConfigError, match=r"broken.py: correct the file"):
        load_config("seeds", "demo", path=tmp_path / "broken.py")


def test_flatten_keeps_empty_tables():
    assert dict(flatten({"a": {"b": 1, "c": {}}, "d": [2]})) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_a_whole_table_can_be_overridden():
    config = load_config("seeds", "demo")
    apply_options(config, ["model.loss_weights={'area': 0.5}"])
    assert config.model.loss_weights.area == 0.5


def test_an_empty_list_takes_anything():
    file = CONFIG_DIR / "seeds" / "bas_cam_voc.py"
    config = load_config("seeds", "voc", path=file, options=["reads=('seeds', 'seeds-a')"])
    assert config.reads == ("seeds", "seeds-a")


def test_every_value_has_a_source(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f'_base_ = ["{CONFIG_DIR / "seeds" / "demo.py"}"]\ntrain = dict(crop=80)\n')
    options = ["train.epochs=2", "model.loss_weights={'area': 1.0}"]
    settings = load_settings(load_stage("seeds"), "demo", path=file, options=options)
    sources = settings.sources
    assert set(sources) == set(dict(flatten(settings.config)))
    assert sources["train.crop"] == str(file)
    assert sources["train.epochs"] == sources["model.loss_weights.area"] == "--cfg-options"
    assert sources["train.resize"] == "_base_/seeds_plain8.py"
    assert sources["train.batch_size"] == "_base_/seeds.py"
    assert sources["model.cut"] == "method bas"


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_source_of_a_value_holds_that_value(file):
    stage = load_stage(file.parent.name)
    settings = load_settings(stage, file.stem)
    defaults = stage.defaults(settings.config)

    @functools.cache
    def table_of(source):
        return defaults if source.startswith("method ") else runpy.run_path(str(CONFIG_DIR / source))

    def value_in(source, name):
        return functools.reduce(lambda table, key: table[key], name.split("."), table_of(source))

    for name, value in flatten(settings.config):
        if value != {}:
            assert value_in(settings.sources[name], name) == value, (name, settings.sources[name])


def test_defaults_of_a_method_come_before_those_of_all_methods():
    file = CONFIG_DIR / "seeds" / "ornet_mbv1_voc_boxes.py"
    sources = load_settings(load_stage("seeds"), "voc_boxes", path=file).sources
    assert sources["train.optimizer"] == sources["infer.threshold"] == "method ornet"
    assert sources["train.num_workers"] == "_base_/seeds.py"


def threshold(name, *options, stage="refine", dataset="voc"):
    return str(load_settings(load_stage(stage), dataset, options=options).threshold(name))


def test_who_chose_a_threshold_follows_from_where_its_value_came_from():
    assert threshold("infer.background_score") == "0.22 (preset method irn)"
    assert threshold("infer.background_score", "infer.background_score=0.4") == "0.4 (command line)"
    on = "ground truth of voc_mini, train"
    assert threshold("infer.beta", dataset="voc_mini") == f"6.0 (preset _base_/refine_mbv1.py, {on})"
    # The same value by hand is the hand's.
    assert threshold("infer.beta", "infer.beta=6.0", dataset="voc_mini") == "6.0 (command line)"
    # A preset that inherits the value inherits what chose it.
    assert on in threshold("infer.beta", dataset="coco_mini")
    assert on not in threshold("infer.beta", dataset="folder")


def test_overrides_of_other_stages_are_left_to_them():
    options = ["random_seed=1", "seeds.train.epochs=2", "segment.train_cfg.max_iters=3", "segmented=1"]
    assert options_of("seeds", options, tuple(STAGES)) == ["random_seed=1", "train.epochs=2", "segmented=1"]
    settings = load_settings(load_stage("seeds"), "demo", options=["train.epochs=2", "train_cfg.max_iters=3"])
    assert settings.options == ("train.epochs=2",)
    assert list(settings.unused) == ["train_cfg.max_iters=3"]


def test_settings_of_a_data_set_alone():
    assert load_dataset_settings("voc", ["dataset.root=/x", "train.epochs=1"])["root"] == "/x"
    with pytest.raises(ConfigError, match=r"choose out of .*voc_animals"):
        load_dataset_settings("vok")
