"""All three stages on a transformer of timm, trained by AdamW; the backbone of the seeds is handed on."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import open_artifact, read_mask

NAME, CHANNELS = "timm:vit_tiny_patch16_224", 192
SETTINGS = {
    "seeds": (
        f"model.backbone='{NAME}'", "model.pretrained=None", "train.optimizer='adamw'",
        "train.layer_decay=0.7", "train.learning_rate=1e-4", "train.biases=True", "train.epochs=1",
        "model.warmup_epochs=0",
        "train.batch_size=4", "train.resize=64", "train.crop=50", "train.num_workers=0",
        "train.on_dead_maps='warn'", "infer.scales=(1.0, 0.5)",
    ),
    "refine": (
        f"model.backbone='{NAME}'", "model.pretrained='seeds'", "train.crop=64",
        "train.epochs=1", "train.batch_size=4", "train.num_workers=0", "labels.num_workers=1",
        "infer.steps=8",
    ),
    "segment": (
        "model.pretrained='seeds'", f"model.backbone.name='{NAME}'", "model.backbone.output_stride=16",
        "model.backbone.dilate=False",
        f"model.decode_head.in_channels={CHANNELS}", "optim_wrapper.paramwise_cfg.layer_decay=0.7",
        "optim_wrapper.paramwise_cfg.decay_norms=False", "train_cfg.max_iters=2",
        "train_dataloader.batch_size=2", "train_dataloader.num_workers=0", "infer.scales=(1.0,)",
    ),
}  # fmt: skip


@pytest.mark.slow
def test_seeds_masks_and_predictions_fit_the_images(tmp_path):
    images, work = tmp_path / "images", tmp_path / "work"
    images.mkdir()
    rng = np.random.default_rng(0)
    rows = ["file,tags"]
    for number in range(6):
        picture = rng.integers(0, 90, (60, 73, 3), dtype=np.uint8)
        picture[20:40, 20:50, number % 2] = 255
        Image.fromarray(picture).save(images / f"{number}.png")
        rows.append(f"{number}.png,{('green', 'red')[number % 2]}")
    (images / "tags.csv").write_text("\n".join(rows), encoding="utf-8")
    for stage, settings in SETTINGS.items():
        command = [sys.executable, "-m", "wsss.cli", "run", stage, "folder", "--data-root", str(images)]
        command += ["--work-dir", str(work), "--cfg-options", *settings]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for name in ("masks", "segment"):
        artifact = open_artifact(work / name)
        assert len(artifact.ids) == 6
        for image_id in artifact.ids:
            found = set(np.unique(read_mask(artifact.file(image_id), num_classes=2, size=(60, 73))).tolist())
            assert found <= {0, 1, 2, 255}
