"""Masks made by two processes against those of one."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from wsss.artifacts import open_artifact, read_mask, read_seed, write_seed
from wsss.datasets import DemoDataSet

COUNT = 10
SETTINGS = (
    f"dataset.train={COUNT}", "dataset.val=2", "dataset.side=96", "model.pretrained=None",
    "model.displacement=True", "train.radius=3.0", "train.crop=48", "train.epochs=2", "train.batch_size=4",
    "train.num_workers=0",
)  # fmt: skip


def run_refine(root, *, processes):
    command = [sys.executable, "-m", "wsss.cli", "run", "refine", "demo", "--json"]
    command += ["--data-root", root / "data", "--work-dir", root / "work", "--cfg-options", *SETTINGS]
    environment = os.environ | {"GPUS": str(processes)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with the demo's data and seeds that are blurred ground truth."""
    root = tmp_path_factory.mktemp("two")
    data = DemoDataSet(root=str(root / "data"), train=COUNT, val=2, side=96, random_seed=0, name="demo")
    seeds = root / "work" / "seeds"
    for image_id in data.ids("train"):
        truth = read_mask(data.mask_path(image_id))
        height, width = truth.shape
        grid = ((width - 1) // 4 + 1, (height - 1) // 4 + 1)
        maps = [
            cv2.resize(cv2.GaussianBlur((truth == tag).astype(np.float32), (0, 0), 5), grid)
            for tag in data.tags(image_id)
        ]
        write_seed(
            seeds / f"{image_id}.npz", classes=data.tags(image_id), maps=np.stack(maps), size=truth.shape
        )
    manifest = {"schema": 1, "kind": "seeds", "split": "train", "key": "k", "image_ids": data.ids("train")}
    (seeds / "manifest.json").write_text(json.dumps(manifest))
    return root


def test_masks_are_the_same_for_any_number_of_processes(root):
    """Two processes train and publish; one writes all but the network again."""
    done = run_refine(root, processes=2)
    assert done.returncode == 0, done.stderr
    # Only one of the two speaks and scores.
    assert done.stderr.count("write masks: ") == 1
    figures = json.loads(done.stdout)["masks"]["figures"]
    assert figures["images"] == COUNT
    masks = root / "work" / "masks"
    manifest = open_artifact(masks).manifest
    assert manifest["processes"] == 2
    before = {file.relative_to(masks): file.read_bytes() for file in masks.rglob("*.png")}
    walks = {file.name: read_seed(file).maps for file in masks.glob("walk/*.npz")}
    assert (len(before), len(walks)) == (3 * COUNT, COUNT)
    for file in [*masks.rglob("*.png"), *masks.glob("walk/*.npz")]:
        file.unlink()
    done = run_refine(root, processes=1)
    assert done.returncode == 0, done.stderr
    again = open_artifact(masks).manifest
    assert again["processes"] == 1
    assert again["seconds_per_image"]["training"] is None
    assert again["figures"]["confident_share"] == manifest["figures"]["confident_share"]
    # The number of threads may change how a network's sums are rounded, by one step of float16 in the end.
    assert again["figures"]["mIoU"] == pytest.approx(manifest["figures"]["mIoU"], abs=1e-3)
    for name, maps in walks.items():
        np.testing.assert_allclose(read_seed(masks / "walk" / name).maps, maps, rtol=0, atol=1e-3)
    for name, content in before.items():
        if name.parts[0] == "confident":
            assert (masks / name).read_bytes() == content
