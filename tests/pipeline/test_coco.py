"""All three stages on a few images of COCO, with the small preset, through the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest

from wsss.artifacts import open_artifact, read_mask
from wsss.config import load_dataset_settings
from wsss.datasets import CocoDataSet
from wsss.datasets.coco import mask_file
from wsss.datasets.coco_build import build_coco
from wsss.paths import resolve_path

pytestmark = [pytest.mark.data, pytest.mark.slow]
IMAGES = {"train": 8, "val": 4}
SETTINGS = {
    "seeds": ("train.batch_size=4", "train.num_workers=0", "train.epochs=1", "model.warmup_epochs=0"),
    "refine": ("train.batch_size=4", "train.num_workers=0", "labels.num_workers=1", "infer.steps=8"),
    "segment": ("train_cfg.max_iters=2", "train_dataloader.batch_size=2", "train_dataloader.num_workers=0"),
}


def take_part(source, root):
    """The first images of each split that have objects, with their annotations."""
    for split, count in IMAGES.items():
        name = f"instances_{split}2014.json"
        content = json.loads((source / "annotations" / name).read_text())
        with_objects = {one["image_id"] for one in content["annotations"]}
        images = [one for one in content["images"] if one["id"] in with_objects][:count]
        ids = {one["id"] for one in images}
        content["images"] = images
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] in ids]
        for folder in (root / "annotations", root / f"{split}2014"):
            folder.mkdir(parents=True, exist_ok=True)
        (root / "annotations" / name).write_text(json.dumps(content))
        for one in images:
            (root / f"{split}2014" / one["file_name"]).symlink_to(source / f"{split}2014" / one["file_name"])


def test_three_stages_on_a_few_images(tmp_path):
    source = resolve_path(load_dataset_settings("coco_mini")["root"])
    if not source.is_dir():
        pytest.skip("needs ../shared/data/coco_mini")
    take_part(source, tmp_path / "coco")

    def wsss(*arguments):
        command = [sys.executable, "-m", "wsss.cli", *map(str, arguments), "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    for split, count in IMAGES.items():
        assert build_coco(tmp_path / "coco", labels=tmp_path / "coco", split=split)["images"] == count
    data = ("dataset.labels=None", "dataset.counts.train=8", "dataset.counts.val=4")
    for stage, settings in SETTINGS.items():
        options = ("--data-root", "coco", "--work-dir", "work", "--cfg-options", *data, *settings)
        printed = wsss("run", stage, "coco_mini", *options)
        assert all(0 <= row["figures"]["mIoU"] <= 1 for row in printed.values())
    dataset = CocoDataSet(tmp_path / "coco")
    masks, network = open_artifact(tmp_path / "work" / "masks"), open_artifact(tmp_path / "work" / "segment")
    assert (len(masks.ids), len(network.ids)) == (8, 4)
    for artifact in (masks, network):
        assert len(artifact.manifest["classes"]) == 80
    for image_id in masks.ids:
        # The tags of the image, background or ignored; anything else would have come from nowhere.
        truth = read_mask(mask_file(tmp_path / "coco", "train", 2014, image_id), num_classes=80)
        found = read_mask(masks.file(image_id), num_classes=80, size=truth.shape)
        assert set(np.unique(found).tolist()) <= {0, 255, *dataset.tags(image_id)}
