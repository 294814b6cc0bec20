"""A published network predicts another split, and goes on where it was interrupted."""

from types import SimpleNamespace

import pytest

from segment.stage import STAGE
from segment.submit import predict_split
from wsss.artifacts import read_mask
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError


@pytest.fixture
def published(tiny_config, tmp_path):
    tiny_config.train_cfg.max_iters = 1
    return run_stage(STAGE, Settings(tiny_config), dataset_name="tiny", work_dir=tmp_path / "work").dir


def test_another_split_is_predicted_beside_the_published_one(published, demo):
    again = predict_split(published, demo, "val")
    before = {file: file.stat().st_mtime_ns for file in again.glob("*.png")}
    assert len(before) == len(demo.ids("val"))
    folder = predict_split(published, demo, "train")
    assert folder == published / "predictions" / "train"
    for image_id in demo.ids("train"):
        size = read_mask(demo.mask_path(image_id)).shape
        read_mask(folder / f"{image_id}.png", num_classes=6, size=size)
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.png")}
    (folder / f"{demo.ids('train')[0]}.png").unlink()
    predict_split(published, demo, "train")
    changed = [file for file, written in kept.items() if file.stat().st_mtime_ns != written]
    assert [file.stem for file in changed] == [demo.ids("train")[0]]
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_what_is_no_trained_network_of_these_classes_is_refused(published, demo, tmp_path):
    with pytest.raises(ArtifactError, match=r"expected manifest\.json"):
        predict_split(tmp_path / "empty", demo, "train")
    pets = SimpleNamespace(name="pets", classes=("cat", "dog"))
    with pytest.raises(
        ArtifactError, match=r"expected a network of the 2 classes of pets .* got one of 6 \("
    ):
        predict_split(published, pets, "train")
    (published / "train" / "network.pth").unlink()
    with pytest.raises(ArtifactError, match="found none: run the stage segment"):
        predict_split(published, demo, "train")
