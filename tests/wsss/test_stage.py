"""The engine: skip, continue, stale, take over, publish."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import write_mask
from wsss.config import Settings
from wsss.datasets import build_dataset
from wsss.engine import open_input, plan_step, run_stage, run_step
from wsss.errors import ArtifactError, ConfigError
from wsss.stage import Result, Stage
from wsss.thresholds import Threshold


@pytest.fixture
def voc(tmp_path):
    """A data set of two images with masks and tags."""
    root = tmp_path / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation", "Annotations"):
        (root / folder).mkdir(parents=True)
    for image_id in ("a", "b"):
        Image.new("RGB", (8, 8)).save(root / "JPEGImages" / f"{image_id}.jpg")
        write_mask(root / "SegmentationClassAug" / f"{image_id}.png", np.ones((8, 8)))
        xml = "<annotation><object><name>aeroplane</name></object></annotation>"
        (root / "Annotations" / f"{image_id}.xml").write_text(xml)
    (root / "ImageSets/Segmentation/train.txt").write_text("a\nb\n")
    return root


@pytest.fixture
def launch(voc, tmp_path):
    def call(run, *, reads=(), resume=True, root=voc, parts=None, schema=1, stage=None, **settings):
        dataset = {"type": "voc", "root": str(root), "train_split": "train", "val_split": "train"}
        config = Config({"dataset": dataset} | {"random_seed": 0} | settings)
        fields = {"reads": lambda config: reads, "parts": lambda config: parts or {}} | (stage or {})
        made = Stage(**({"name": "refine", "writes": "masks", "schema": schema, "run": run} | fields))
        work_dir = tmp_path / "work"
        return run_stage(made, Settings(config), dataset_name="toy", work_dir=work_dir, resume=resume)

    return call


@pytest.fixture
def log(caplog):
    """What the stages log, at the command line's level."""
    caplog.set_level(logging.INFO, logger="wsss")
    return caplog


def maker(calls: list, *, fail_after: int | None = None) -> Callable:
    """A stage that writes a mask per image, keeps what is there, and may fail on the way."""

    def run(job):
        calls.append("run")
        for number, image_id in enumerate(job.dataset.ids("train")):
            if fail_after is not None and number == fail_after:
                raise RuntimeError("killed")
            file = job.out_dir / f"{image_id}.png"
            if not file.is_file():
                calls.append(image_id)
                write_mask(file, np.ones((8, 8)))
        return Result(split="train", image_ids=job.dataset.ids("train"), figures={"mIoU": 0.5})

    return run


def test_publishes_and_skips(launch, log):
    calls = []
    artifact = launch(maker(calls))
    assert artifact.ids == ("a", "b")
    assert artifact.manifest["figures"] == {"mIoU": 0.5}
    assert (artifact.manifest["processes"], artifact.manifest["threads"]) == (1, torch.get_num_threads())
    assert not (artifact.dir / "unfinished.json").exists()
    assert launch(maker(calls)).key == artifact.key
    assert calls == ["run", "a", "b"]
    assert any("up to date" in line for line in log.messages)


def test_continues_what_was_interrupted(launch, tmp_path):
    calls = []
    with pytest.raises(RuntimeError, match="killed"):
        launch(maker(calls, fail_after=1))
    assert not (tmp_path / "work" / "masks" / "manifest.json").exists()
    launch(maker(calls))
    assert calls == ["run", "a", "run", "b"]


def test_changed_setting_is_stale_and_named(launch, log, tmp_path):
    calls = []
    launch(maker(calls), power=1)
    launch(maker(calls), power=2)
    assert calls == ["run", "a", "b"] * 2
    assert any("stale (power: 1 -> 2)" in line for line in log.messages)
    old = json.loads((tmp_path / "work" / "masks.previous" / "manifest.json").read_text())
    assert old["settings"]["power"] == 1


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        pytest.param({"infer": {"scales": [2]}}, True, id="a setting that the part does not depend on"),
        pytest.param({"infer": {"scales": [2]}, "random_seed": 1}, False, id="one of two that it depends on"),
        pytest.param({"inference": {"scales": [2]}}, False, id="a name that only begins alike"),
        pytest.param({"infer": {"scales": [2]}, "schema": 2}, False, id="another version of the stage"),
        pytest.param({"resume": False}, False, id="told to start anew"),
    ],
)
def test_part_is_taken_over_where_it_still_holds(launch, change, taken):
    found = []

    def run(job):
        found.append((job.out_dir / "train/network.pth").is_file())
        (job.out_dir / "train").mkdir(exist_ok=True)
        (job.out_dir / "train/network.pth").touch()
        return maker([])(job)

    launch(run, parts={"train": ("infer",)}, infer={"scales": [1]})
    launch(run, **{"parts": {"train": ("infer",)}, "infer": {"scales": [1]}} | change)
    assert found == [False, taken]


def test_changed_input_keeps_no_part(launch, voc, tmp_path):
    launch(lambda job: (job.out_dir / "train").mkdir() or maker([])(job), parts={"train": ()})
    (voc / "ImageSets/Segmentation/train.txt").write_text("b\n")
    assert not (launch(maker([]), parts={"train": ()}).dir / "train").exists()


def test_changed_input_is_stale(launch, voc, log):
    calls = []
    launch(maker(calls))
    (voc / "ImageSets/Segmentation/train.txt").write_text("b\n")
    assert launch(maker(calls)).ids == ("b",)
    assert any("data train changed" in line for line in log.messages)


def test_moved_data_and_worker_counts_are_not_stale(launch, voc, tmp_path):
    calls = []
    stage = {"neutral": frozenset({"train.num_workers"})}
    launch(maker(calls), stage=stage, train={"num_workers": 2})
    moved = voc.rename(tmp_path / "moved")
    launch(maker(calls), stage=stage, train={"num_workers": 4}, root=moved)
    assert calls == ["run", "a", "b"]


def test_no_resume_starts_anew(launch):
    calls = []
    launch(maker(calls))
    launch(maker(calls), resume=False)
    assert calls == ["run", "a", "b"] * 2


def test_a_skipped_stage_says_that_its_input_was_made_anew(launch, log):
    def painter(value):
        def run(job):
            for image_id in job.dataset.ids("train"):
                write_mask(job.out_dir / f"{image_id}.png", np.full((8, 8), value))
            return Result(split="train", image_ids=job.dataset.ids("train"), figures={})

        return run

    def segment(calls):
        def run(job):
            calls.append("run")
            folder = job.out_dir / "predictions/train"
            folder.mkdir(parents=True, exist_ok=True)
            for image_id in job.dataset.ids("train"):
                write_mask(folder / f"{image_id}.png", np.ones((8, 8)))
            return Result(split="train", image_ids=job.dataset.ids("train"), figures={})

        fields = {"name": "segment", "writes": "segment"}
        return launch(run, reads=("masks",), stage=fields)

    calls = []
    launch(painter(1))
    segment(calls)
    launch(painter(1), resume=False)  # the same files
    segment(calls)
    assert calls == ["run"]
    assert not any("made anew since" in line for line in log.messages)
    launch(painter(0), resume=False)
    segment(calls)
    assert calls == ["run"]
    assert sum("segment: expected" in line and "made anew since" in line for line in log.messages) == 1


def test_lost_payload_is_made_again(launch, log):
    calls = []
    artifact = launch(maker(calls))
    artifact.file("b").unlink()
    launch(maker(calls))
    assert calls == ["run", "a", "b", "run", "b"]
    assert any("1 are gone (first: b)" in line for line in log.messages)


def test_second_run_on_one_folder_stops(launch):
    def run(job):
        with pytest.raises(ArtifactError, match="another one holds it"):
            launch(maker([]))
        return maker([])(job)

    assert launch(run).ids == ("a", "b")


@pytest.mark.usefixtures("log")
def test_one_log_file_per_stage(launch, tmp_path):
    launch(maker([]))
    assert "published 2 files" in (tmp_path / "work" / "masks.log").read_text()


def rewrite_mask(voc):
    write_mask(voc / "SegmentationClassAug" / "a.png", np.zeros((8, 8)))


def repaint_image(voc):
    Image.new("RGB", (8, 8), "red").save(voc / "JPEGImages" / "a.jpg")


def retag_image(voc):
    xml = "<annotation><object><name>bicycle</name></object></annotation>"
    (voc / "Annotations" / "a.xml").write_text(xml)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        pytest.param(rewrite_mask, "ground truth train", id="labels that are scored or trained on"),
        pytest.param(repaint_image, "data train", id="an image"),
        pytest.param(retag_image, "data train", id="tags"),
    ],
)
def test_whatever_the_stage_reads_makes_it_stale(launch, voc, log, change, name):
    calls = []
    launch(maker(calls))
    change(voc)
    launch(maker(calls))
    assert calls == ["run", "a", "b"] * 2
    assert any(f"stale ({name} changed)" in line for line in log.messages)


def test_every_split_that_a_stage_names_counts(launch, voc):
    (voc / "ImageSets/Segmentation/val.txt").write_text("a\nb\n")
    calls, stage = [], {"splits": lambda config: ("train", "val")}
    launch(maker(calls), stage=stage)
    (voc / "ImageSets/Segmentation/val.txt").write_text("a\n")
    launch(maker(calls), stage=stage)
    assert calls == ["run", "a", "b"] * 2


def test_a_touched_file_is_read_again_but_not_stale(launch, voc):
    calls = []
    launch(maker(calls))
    (voc / "JPEGImages" / "a.jpg").touch()
    launch(maker(calls))
    assert calls == ["run", "a", "b"]


def test_settings_of_the_stage_itself_and_neutral_ones_are_not_in_the_key(launch):
    calls, stage = [], {"owned": {"randomness.seed": "set random_seed"}, "neutral": frozenset({"hooks"})}
    launch(maker(calls), stage=stage, randomness={"seed": 0}, hooks={"interval": 1})
    launch(maker(calls), stage=stage, randomness={"seed": 5}, hooks={"interval": 2})
    assert calls == ["run", "a", "b"]


def test_what_cannot_work_is_refused_before_anything_moves(launch, tmp_path):
    def refuse(preview):
        if preview.config.epochs < 1:
            raise ConfigError("expected train.epochs at least 1")

    stage = {"check": refuse}
    finished = launch(maker([]), stage=stage, epochs=1)
    for epochs in (-3, -4):
        with pytest.raises(ConfigError, match="at least 1"):
            launch(maker([]), stage=stage, epochs=epochs)
    assert finished.file("a").is_file()
    assert not (tmp_path / "work" / "masks.previous").exists()


def test_an_unfinished_folder_never_replaces_a_finished_previous_one(launch, tmp_path):
    launch(maker([]), power=1)
    launch(maker([]), power=2)
    for power in (3, 4):
        with pytest.raises(RuntimeError, match="killed"):
            launch(maker([], fail_after=1), power=power)
    work = tmp_path / "work"
    kept = json.loads((work / "masks.previous" / "manifest.json").read_text())
    # 2 was finished when 3 took its place; 3 was not when 4 did.
    assert kept["settings"]["power"] == 2
    assert json.loads((work / "masks.unfinished" / "unfinished.json").read_text())["settings"]["power"] == 3


def test_files_that_nobody_vouches_for_are_set_aside(launch, tmp_path):
    stray = tmp_path / "work" / "masks" / "train" / "irnet.pth"
    stray.parent.mkdir(parents=True)
    stray.write_text("of another rate and random seed")
    found = []

    def run(job):
        found.append((job.out_dir / "train").exists())
        return maker([])(job)

    launch(run, parts={"train": ("infer",)})
    assert found == [False]
    assert (tmp_path / "work" / "masks.unfinished" / "train" / "irnet.pth").is_file()


@pytest.mark.parametrize("killed_after", [0, 1])
def test_a_kill_while_parts_are_taken_over_loses_and_adopts_nothing(launch, monkeypatch, killed_after):
    """Of two parts none or one is copied when the run dies; one with the same settings copies the rest."""
    parts = {"edge": ("infer",), "train": ("infer",)}

    def run(job):
        found = sorted(one.name for one in job.out_dir.iterdir() if one.is_dir())
        for part in parts:
            (job.out_dir / part).mkdir(exist_ok=True)
            (job.out_dir / part / "file").touch()
        result = maker([])(job)
        return dataclasses.replace(result, extra={"found": found})

    launch(run, parts=parts, infer={"power": 1})
    copied = []
    copytree = shutil.copytree

    def copy(source, target):
        if len(copied) == killed_after:
            raise KeyboardInterrupt
        copied.append(source)
        return copytree(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", copy)
        with pytest.raises(KeyboardInterrupt):
            launch(run, parts=parts, infer={"power": 2})
    assert launch(run, parts=parts, infer={"power": 2}).manifest["found"] == ["edge", "train"]


def test_parts_of_a_killed_take_over_are_not_adopted_by_other_settings(launch, monkeypatch, tmp_path):
    parts = {"train": ("infer",)}

    def run(job):
        found = (job.out_dir / "train").exists()
        (job.out_dir / "train").mkdir(exist_ok=True)
        return dataclasses.replace(maker([])(job), extra={"found": found})

    def copy(source, target):
        target.mkdir()
        raise KeyboardInterrupt

    launch(run, parts=parts, infer={"power": 1})
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", copy)
        with pytest.raises(KeyboardInterrupt):
            launch(run, parts=parts, infer={"power": 2})
    assert launch(run, parts=parts, infer={"power": 2}, random_seed=1).manifest["found"] is False


@pytest.mark.parametrize("killed", [False, True])
def test_masks_of_images_in_a_folder_that_is_called_as_a_part_are_made_anew(launch, voc, monkeypatch, killed):
    """Photos often lie in train/ and val/; masks/train/ is also where the training is, which is kept."""
    for folder, suffix in (("JPEGImages", "jpg"), ("SegmentationClassAug", "png"), ("Annotations", "xml")):
        (voc / folder / "train").mkdir()
        shutil.copy(voc / folder / f"a.{suffix}", voc / folder / "train" / f"a.{suffix}")
    (voc / "ImageSets/Segmentation/train.txt").write_text("a\ntrain/a\n")
    parts, calls = {"train": ("infer",)}, []

    def run(job):
        (job.out_dir / "train").mkdir(exist_ok=True)
        (job.out_dir / "train/network.pth").touch()
        return maker(calls)(job)

    def kill(source, target):
        raise KeyboardInterrupt

    launch(run, parts=parts, infer={"power": 1})
    if killed:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copytree", kill)
            with pytest.raises(KeyboardInterrupt):
                launch(run, parts=parts, infer={"power": 2})
    artifact = launch(run, parts=parts, infer={"power": 2})
    assert calls == ["run", "a", "train/a"] * 2
    assert artifact.manifest["files"].keys() == {"a.png", "train/a.png", "train/network.pth"}


def test_extra_facts_cannot_replace_entries_of_the_manifest(launch):
    def run(job):
        return dataclasses.replace(maker([])(job), extra={"key": "mine"})

    with pytest.raises(ValueError, match=r"got \['key'\]: rename them"):
        launch(run)


def test_thresholds_stand_with_who_chose_them(launch):
    def run(job):
        return dataclasses.replace(
            maker([])(job), thresholds={"seed": Threshold(0.3, "oracle, train"), "power": 2}
        )

    manifest = launch(run).manifest
    assert manifest["thresholds"] == {"seed": {"value": 0.3, "chosen_by": "oracle, train"}, "power": 2}


def test_an_input_that_changed_since_the_plan_is_refused(launch, voc, tmp_path):
    """Another run published other masks between plan and work."""
    launch(maker([]))
    dataset = {"type": "voc", "root": str(voc), "train_split": "train", "val_split": "train"}
    stage = Stage("segment", "segment", 1, maker([]), reads=lambda config: ("masks",))
    work = tmp_path / "work"
    step = plan_step(
        stage,
        Settings(Config({"dataset": dataset})),
        build_dataset(dataset),
        dataset_name="toy",
        work_dir=work,
        inputs={"masks": open_input("masks", work / "masks")},
    )
    launch(maker([]), power=2)
    with pytest.raises(ArtifactError, match="as it was when this run was planned"):
        run_step(step)
