import inspect
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mmengine.config import Config

from wsss.artifacts import read_mask
from wsss.datasets import DemoDataSet, demo
from wsss.datasets.demo import plan_tags
from wsss.datasets.made import STAMP, only_looking
from wsss.errors import ConfigError, DataError
from wsss.images import read_image
from wsss.paths import PROJECT_ROOT

SMALL = {"train": 8, "val": 4, "side": 96}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return DemoDataSet(tmp_path_factory.mktemp("data") / "demo", **SMALL)


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_preset_names_every_setting_and_no_other():
    preset = Config.fromfile(PROJECT_ROOT / "configs" / "_base_" / "demo.py").dataset

    assert set(preset) == {*inspect.signature(DemoDataSet).parameters, "type", "train_split", "val_split"}


def test_splits_hold_as_many_images_as_asked_for(small):
    assert (len(small.ids("train")), len(small.ids("val"))) == (8, 4)
    assert not set(small.ids("train")) & set(small.ids("val"))
    assert len(small.classes) == len(set(small.classes)) == 6
    small.check("train")
    small.check("val")


def test_masks_fit_their_images_and_their_tags(small):
    for image_id in small.ids("train") + small.ids("val"):
        image = read_image(small.image_file(image_id))
        mask = read_mask(small.mask_path(image_id), num_classes=6, size=image.shape[:2])
        assert tuple(np.unique(mask)) == (0, *small.tags(image_id))
        assert 1 <= len(small.tags(image_id)) <= 3


def test_sides_vary_by_an_eighth_and_images_are_not_all_square(small):
    sizes = [read_image(small.image_file(image_id)).shape[:2] for image_id in small.ids("train")]

    assert all(84 <= side <= 108 for size in sizes for side in size)
    assert any(height != width for height, width in sizes)


def test_two_runs_give_the_same_bytes(small, tmp_path):
    again = DemoDataSet(tmp_path / "demo", **SMALL)

    assert contents(again.root) == contents(small.root)
    assert again.fingerprint("train") == small.fingerprint("train")


def test_more_images_keep_the_first_ones_and_another_seed_does_not(small, tmp_path):
    more = DemoDataSet(tmp_path / "more", **{**SMALL, "train": 9})
    other = DemoDataSet(tmp_path / "other", **SMALL, random_seed=1)

    first = small.image_path("train_00003").read_bytes()
    assert more.image_path("train_00003").read_bytes() == first
    assert more.tags("train_00003") == small.tags("train_00003")
    assert other.image_path("train_00003").read_bytes() != first


def test_whole_data_are_not_made_again_and_changed_settings_are(tmp_path):
    root = tmp_path / "demo"
    DemoDataSet(root, train=2, val=1, side=96)
    marker = root / "marker"
    marker.touch()

    DemoDataSet(root, train=2, val=1, side=96)
    assert marker.exists()

    changed = DemoDataSet(root, train=3, val=1, side=96)
    assert not marker.exists()
    assert len(changed.ids("train")) == 3


def test_whoever_only_looks_replaces_nothing(tmp_path):
    root = tmp_path / "demo"
    DemoDataSet(root, train=2, val=1, side=96)
    before = sorted((file, file.stat().st_mtime_ns) for file in root.rglob("*"))
    with only_looking():
        assert len(DemoDataSet(root, train=2, val=1, side=96).ids("train")) == 2
        for settings in ({"root": root, "train": 3}, {"root": tmp_path / "other", "train": 2}):
            with pytest.raises(DataError, match=r"demo data with .* let wsss run make them"):
                DemoDataSet(**settings, val=1, side=96)
    assert sorted((file, file.stat().st_mtime_ns) for file in root.rglob("*")) == before
    assert not (tmp_path / "other").exists()
    assert len(DemoDataSet(root, train=3, val=1, side=96).ids("train")) == 3


def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    root = tmp_path / "demo"
    calls = itertools.count()
    original = demo.write_mask

    def write_two_masks(path, mask):
        if next(calls) == 2:
            raise KeyboardInterrupt
        original(path, mask)

    monkeypatch.setattr(demo, "write_mask", write_two_masks)
    with pytest.raises(KeyboardInterrupt):
        DemoDataSet(root, **SMALL)
    assert not root.exists()

    monkeypatch.undo()
    assert len(DemoDataSet(root, **SMALL).ids("train")) == 8
    # What the killed run left behind is gone too; the lock stays.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".demo.lock", "demo"]


def test_processes_that_start_together_make_the_data_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="wsss")
    logging.getLogger("wsss").addHandler(caplog.handler)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: DemoDataSet(tmp_path / "demo", train=3, val=1, side=96), range(3)))
    logging.getLogger("wsss").removeHandler(caplog.handler)

    assert len({dataset.fingerprint("train") for dataset in made}) == 1
    lines = {record.message for record in caplog.records if record.message.startswith("making the demo data")}
    assert lines == {f"making the demo data at {tmp_path / 'demo'}"}


@pytest.mark.parametrize("stamp", [None, "{", "[]"], ids=["no-stamp", "damaged-stamp", "other-stamp"])
def test_a_folder_with_something_else_is_left_alone(tmp_path, stamp):
    (tmp_path / "precious").write_text("mine")
    if stamp is not None:
        (tmp_path / STAMP).write_text(stamp)

    with pytest.raises(
        DataError, match=r"expected demo data or no folder at .*, got a folder without .*: move it away"
    ):
        DemoDataSet(tmp_path, **SMALL)

    assert (tmp_path / "precious").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        DataError, match=r"expected to make the demo data at .*file/demo, got: .*set dataset\.root"
    ):
        DemoDataSet(tmp_path / "file" / "demo", **SMALL)


@pytest.mark.parametrize(
    ("key", "value"), [("train", 0), ("val", -1), ("side", 95), ("random_seed", -1), ("train", 1.5)]
)
def test_numbers_out_of_range_are_refused(tmp_path, key, value):
    with pytest.raises(
        ConfigError, match=rf"expected a whole number of at least \d+ for dataset\.{key}, got {value}"
    ):
        DemoDataSet(tmp_path / "demo", **{key: value})


def test_classes_are_balanced_and_every_combination_occurs():
    plan = plan_tags(480, np.random.default_rng([0, 0]))

    counts = np.bincount([label for labels in plan for label in labels], minlength=7)[1:]
    # The rarest class comes first up to a difference of 4, so counts cannot drift apart further.
    assert counts.max() - counts.min() <= 5
    assert {frozenset(labels) for labels in plan if len(labels) == 2} == {
        frozenset(pair) for pair in itertools.combinations(range(1, 7), 2)
    }
    assert all(len(set(labels)) == len(labels) for labels in plan)
    # 3 standard deviations of 480 draws with p = .3.
    assert abs(sum(len(labels) == 1 for labels in plan) - 144) < 31
    assert abs(sum(len(labels) == 3 for labels in plan) - 144) < 31


def test_the_order_from_back_to_front_does_not_follow_the_class():
    plan = [labels for labels in plan_tags(600, np.random.default_rng(0)) if len(labels) == 2]

    front = np.mean([labels[1] > labels[0] for labels in plan])
    # 3 standard deviations of 240 draws with p = .5.
    assert abs(front - 0.5) < 0.1
