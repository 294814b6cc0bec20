"""All three stages on a folder of one's own, without any ground truth, as a user runs them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import open_artifact, read_mask

SETTINGS = {
    "seeds": (
        "model.backbone=plain8", "model.pretrained=None", "model.warmup_epochs=1", "train.epochs=2",
        "train.batch_size=4", "train.resize=64", "train.crop=48", "train.num_workers=0",
        "train.on_dead_maps='warn'", "infer.scales=(1.0,)",
    ),
    "refine": (
        "model.backbone=plain8", "model.pretrained=seeds", "train.crop=64",
        "train.epochs=1", "train.batch_size=4", "train.num_workers=0", "labels.num_workers=1",
        "infer.steps=8",
    ),
    "segment": (
        "model.backbone.name='plain8'",
        "model.pretrained=seeds", "model.backbone.freeze_norm=False",
        "model.decode_head.in_channels=128",
        "train_cfg.max_iters=2", "train_dataloader.batch_size=2", "train_dataloader.num_workers=0",
        "infer.scales=(1.0,)",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The work folder, and what each stage printed."""
    root = tmp_path_factory.mktemp("own")
    images, work = root / "Meine Bilder", root / "work"
    rng = np.random.default_rng(0)
    rows = ["file,tags"]
    for number in range(6):
        name, tag = (f"rot/bild {number}.png", "rot") if number % 2 else (f"grün {number}.jpg", "grün;klein")
        picture = rng.integers(0, 90, (60, 72, 3), dtype=np.uint8)
        picture[20:40, 20:50, 0 if number % 2 else 1] = 255
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        # The first photo lies on its side and says so in its header; its masks stand upright all the same.
        turned = Image.Exif()
        turned[0x0112] = 1 if number else 6
        Image.fromarray(picture if number else np.rot90(picture)).save(images / name, exif=turned)
        rows.append(f"{name},{tag}")
    (images / "tags.csv").write_text("\n".join(rows), encoding="utf-8")
    printed = {}
    for stage, settings in SETTINGS.items():
        command = [sys.executable, "-m", "wsss.cli", "run", stage, "folder", "--data-root", str(images)]
        command += ["--work-dir", str(work), "--json", "--cfg-options", *settings]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert ("1 images: grün 0 ask for a rotation; images are turned upright" in done.stderr) == (
            stage == "seeds"
        )
        printed[stage] = json.loads(done.stdout)
    return work, printed


def test_every_stage_publishes_and_makes_up_no_figure(folders):
    work, printed = folders
    names = {"seeds": "seeds", "refine": "masks", "segment": "segment"}
    for stage, name in names.items():
        assert "mIoU" not in printed[stage][name]["figures"]
        manifest = open_artifact(work / name).manifest
        assert (manifest["split"], manifest["count"]) == ("all", 6)
        assert manifest["classes"] == ["grün", "klein", "rot"]
    thresholds = open_artifact(work / "masks").manifest["thresholds"]
    assert "ground truth of" not in json.dumps(thresholds)
    for name in ("confident_foreground", "confident_background", "seed_power", "background_score"):
        assert "without ground truth" in thresholds[name]["chosen_by"]


def test_masks_and_predictions_fit_the_images(folders):
    work, _ = folders
    for name in ("masks", "segment"):
        artifact = open_artifact(work / name)
        assert "rot/bild 1" in artifact.ids
        for image_id in artifact.ids:
            found = set(np.unique(read_mask(artifact.file(image_id), num_classes=3, size=(60, 72))).tolist())
            if name == "masks":
                assert found <= {0, 255} | ({3} if image_id.startswith("rot") else {1, 2})
