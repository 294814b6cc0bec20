"""The stage engine: skip, continue, stale, publish."""

import json
import logging
from collections.abc import Callable

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import write_mask
from wsss.errors import ArtifactError
from wsss.stage import Result, Stage, run_stage


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
    def call(run, *, reads=(), resume=True, root=voc, parts=None, schema=1, **settings):
        dataset = {"type": "voc", "root": str(root), "train_split": "train", "val_split": "train"}
        config = Config({"dataset": dataset} | {"seed": 0} | settings)
        stage = Stage("refine", reads, "masks", schema=schema, run=run, parts=parts or {})
        return run_stage(stage, config, dataset_name="toy", work_dir=tmp_path / "work", resume=resume)

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
        pytest.param({"infer": {"scales": [2]}, "seed": 1}, False, id="one of two that it depends on"),
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
    assert any("input dataset changed" in line for line in log.messages)


def test_moved_data_and_worker_counts_are_not_stale(launch, voc, tmp_path):
    calls = []
    launch(maker(calls), num_workers=2)
    moved = voc.rename(tmp_path / "moved")
    launch(maker(calls), num_workers=4, root=moved)
    assert calls == ["run", "a", "b"]


def test_no_resume_starts_anew(launch):
    calls = []
    launch(maker(calls))
    launch(maker(calls), resume=False)
    assert calls == ["run", "a", "b"] * 2


def test_lost_payload_is_made_again(launch, log):
    calls = []
    artifact = launch(maker(calls))
    artifact.file("b").unlink()
    launch(maker(calls))
    assert calls == ["run", "a", "b", "run", "b"]
    assert any("1 are gone (first: b)" in line for line in log.messages)


def test_missing_input_names_its_command(launch):
    with pytest.raises(ArtifactError, match=r"tools/run_stage.sh seeds toy"):
        launch(maker([]), reads=("seeds",))


def test_missing_variant_names_the_command_of_its_kind(launch):
    with pytest.raises(ArtifactError, match=r"seeds-cam.*tools/run_stage.sh seeds toy"):
        launch(maker([]), reads=("seeds-cam",))


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
