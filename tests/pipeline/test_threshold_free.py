"""B-CAM's masks of one's own images: no threshold from the seeds to the masks."""

import numpy as np
import pytest
from PIL import Image

import refine.stage
import seeds.stage
from wsss.artifacts import read_mask, read_seed
from wsss.cli.stages import load_config
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError

SMALL = (
    "model.backbone=plain8", "model.pretrained=None", "model.heads=4", "model.frozen_levels=0",
    "model.batch_norm=train", "train.resize=40", "train.crop=32", "train.epochs=1", "train.batch_size=2",
    "train.num_workers=0", "infer.scales=(1.0, 2.0)",
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        Image.fromarray(rng.integers(0, 256, (49, 61, 3), dtype=np.uint8)).save(images / f"{name}.png")
    (images / "tags.csv").write_text("file,tags\none.png,cat\ntwo.png,cat;dog\n")

    def run(stage, preset, *options):
        config = load_config(stage.name, preset, options=(f"dataset.root={images}", *options))
        return run_stage(stage, Settings(config), dataset_name="folder", work_dir=tmp_path / "work")

    return run


def test_masks_are_where_the_classifier_of_objects_wins(run):
    made = run(seeds.stage.STAGE, "bcam_mbv1_folder", *SMALL)
    assert made.manifest["maps"] == "signed"
    masks = run(refine.stage.STAGE, "bcam_folder", "infer.num_workers=1")
    assert masks.ids == made.ids
    found = {}
    for image_id in masks.ids:
        seed, mask = read_seed(made.file(image_id)), read_mask(masks.file(image_id))
        maps = seed.upsample()
        highest = np.take(seed.classes, maps.argmax(axis=0))
        np.testing.assert_array_equal(mask, np.where(maps.max(axis=0) > 0, highest, 0))
        found[image_id] = (mask > 0).mean()
    # After so short a training it is chance where, but not everywhere and not nowhere.
    assert any(0 < share < 1 for share in found.values())


def test_seeds_without_borders_need_a_threshold(run):
    run(seeds.stage.STAGE, "bcam_mbv1_folder", *SMALL, "infer.rule=cam", "infer.threshold=0.2")
    with pytest.raises(ArtifactError, match="expected seeds whose method draws the objects' borders"):
        run(refine.stage.STAGE, "bcam_folder", "infer.num_workers=1")
