"""What lies in a work folder, and why it is stale."""

import json
import shutil

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import write_json, write_mask, write_seed
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError
from wsss.stage import Result, Stage
from wsss.status import describe_work
from wsss.thresholds import Threshold


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    Image.new("RGB", (8, 8)).save(root / "a.png")
    (root / "tags.csv").write_text("file,tags\na.png,cat\n")
    return root


def make_seeds(job):
    write_seed(job.out_dir / "a.npz", classes=np.array([1]), maps=np.ones((1, 2, 2)), size=(8, 8))
    return Result("all", ("a",), {"mIoU": 0.25}, {"seed": Threshold(0.3, "oracle, all")})


def make_masks(job):
    write_mask(job.out_dir / "a.png", np.ones((8, 8)))
    return Result("all", ("a",))


@pytest.fixture
def wanted(root):
    """The two stages with their configs, by the folder that they fill."""
    dataset = {"type": "folder", "root": str(root), "train_split": "all", "val_split": "all"}
    return {
        "seeds": (
            Stage("seeds", "seeds", 1, make_seeds),
            Settings(Config({"dataset": dataset, "random_seed": 0})),
        ),
        "masks": (
            Stage("refine", "masks", 1, make_masks, reads=lambda config: ("seeds",)),
            Settings(Config({"dataset": dataset, "random_seed": 0})),
        ),
    }


@pytest.fixture
def work(wanted, tmp_path):
    work = tmp_path / "work"
    for stage, settings in wanted.values():
        run_stage(stage, settings, dataset_name="toy", work_dir=work)
    return work


def rows(work, wanted):
    return {row["name"]: row for row in describe_work(work, wanted)}


def test_what_is_published_and_from_what(work, wanted):
    found = rows(work, wanted)
    assert list(found) == ["masks", "seeds"]
    assert [row["state"] for row in found.values()] == ["up to date", "up to date"]
    assert (found["seeds"]["mIoU"], found["masks"]["mIoU"]) == (0.25, None)
    assert found["seeds"]["thresholds"]["seed"] == {"value": 0.3, "chosen_by": "oracle, all"}
    assert found["masks"]["inputs"] == ["seeds"]
    assert (found["masks"]["split"], found["masks"]["images"]) == ("all", 1)


def test_own_settings_of_a_run_are_named_and_no_reason_to_be_stale(work, wanted, root):
    """As after `wsss run ... --cfg-options random_seed=0` where the preset says 3."""
    settings = wanted["seeds"][1]
    settings.config.random_seed = 3
    found = {row["name"]: row for row in describe_work(work, wanted, as_made=True)}
    assert (found["seeds"]["state"], found["seeds"]["why"]) == ("up to date", [])
    assert found["seeds"]["differs"] == ["random_seed=0 (preset: 3)"]
    assert found["masks"]["state"] == "up to date"
    settings.config.new_setting = 1  # of a later version of the program: nobody chose it
    (root / "tags.csv").write_text("file,tags\na.png,dog\n")
    found = {row["name"]: row for row in describe_work(work, wanted, as_made=True)}
    assert found["seeds"]["why"] == ["new_setting: absent -> 1", "data all changed"]
    assert settings.config.random_seed == 3


def test_a_changed_setting_makes_all_below_it_stale(work, wanted):
    stage, settings = wanted["seeds"]
    settings.config.random_seed = 3
    found = rows(work, wanted)
    assert (found["seeds"]["state"], found["seeds"]["why"]) == ("stale", ["random_seed: 0 -> 3"])
    assert found["masks"]["state"] == "up to date"
    run_stage(stage, settings, dataset_name="toy", work_dir=work)
    found = rows(work, wanted)
    assert found["seeds"]["state"] == "up to date"
    assert (found["masks"]["state"], found["masks"]["why"]) == ("stale", ["input seeds changed"])
    assert found["masks"]["inputs"] == ["seeds.previous"]
    assert "seeds.previous" not in found
    shutil.rmtree(work / "seeds.previous")
    assert rows(work, wanted)["masks"]["inputs"] == ["seeds that are not here"]


def test_changed_data_are_noticed_and_absent_data_are_not(work, wanted, root):
    (root / "tags.csv").write_text("file,tags\na.png,dog\n")
    assert rows(work, wanted)["seeds"]["why"] == ["data all changed"]
    root.rename(root.with_name("moved"))
    assert rows(work, wanted)["seeds"]["state"] == "up to date"


def test_unfinished_broken_and_foreign_folders(work, wanted):
    (work / "masks" / "a.png").unlink()
    (work / "seeds-imported").mkdir()
    manifest = {"schema": 1, "kind": "seeds", "split": "train", "image_ids": [], "key": "k"}
    write_json(work / "seeds-imported" / "manifest.json", {**manifest, "imported": {"format": "irn"}})
    (work / "segment").mkdir()
    write_json(work / "segment" / "unfinished.json", {"key": "k"})
    found = rows(work, wanted)
    assert found["masks"]["state"] == "broken"
    assert "1 are gone (first: a)" in found["masks"]["why"][0]
    assert (found["seeds-imported"]["state"], found["seeds-imported"]["inputs"]) == (
        "published",
        ["irn files"],
    )
    assert found["segment"]["state"] == "unfinished"


def test_missing_weights_are_said(work, wanted, tmp_path):
    wanted["seeds"][1].config.pretrained = str(tmp_path / "gone.pth")
    row = rows(work, wanted)["seeds"]
    assert row["state"] == "published"
    assert "gone.pth" in row["why"][0]


def test_an_empty_folder_has_no_rows(tmp_path):
    assert describe_work(tmp_path / "nothing", {}) == []


def test_looking_changes_nothing(work, wanted):
    before = {file: file.stat().st_mtime_ns for file in work.rglob("*")}
    describe_work(work, wanted)
    assert {file: file.stat().st_mtime_ns for file in work.rglob("*")} == before


def test_two_artifacts_of_other_kinds_are_refused(work, wanted):
    write_json(work / "seeds" / "manifest.json", {"schema": 99})
    assert rows(work, wanted)["seeds"]["state"] == "broken"
    with pytest.raises(ArtifactError, match="expected the entries"):
        run_stage(*wanted["masks"], dataset_name="toy", work_dir=work)


def test_deep_reads_all_content_and_repair_is_told_of(work, wanted):
    assert all(row["damaged"] == [] for row in describe_work(work, wanted, deep=True))
    (work / "seeds" / "a.npz").write_bytes(b"")
    (work / "masks" / ".manifest.json").unlink()
    masks, seeds = describe_work(work, wanted, deep=True)
    assert seeds["damaged"] == ["a.npz: changed"]
    assert masks["damaged"] == [".manifest.json: changed or gone"]
    assert seeds["state"] == "broken"


def test_manifests_without_hashes_are_read_and_said_not_to_be_checked(work, wanted):
    file = work / "seeds" / "manifest.json"
    old = json.loads(file.read_text())
    write_json(file, {name: value for name, value in old.items() if name not in ("files", "digest")})
    (work / "seeds" / ".manifest.json").unlink()
    (work / "seeds" / "a.npz").write_bytes(b"")
    _, seeds = describe_work(work, wanted, deep=True)
    assert (seeds["checked"], seeds["damaged"], seeds["state"]) == (0, [], "up to date")
