"""Two processes on one training: the same weights, masks checks and predictions as from one."""

import json
import os
import subprocess
import sys

import torch

from segment.checks import check_labels
from segment.dataset import label_files
from segment.infer import write_predictions
from segment.settings import complete_config
from segment.train import NETWORK, train_segmentor
from wsss.artifacts import read_mask
from wsss.paths import PROJECT_ROOT

SCRIPT = """
import json, sys
from pathlib import Path
import segment
from mmengine.config import Config
from segment.checks import check_labels
from segment.dataset import label_files
from segment.infer import write_predictions
from segment.settings import complete_config
from segment.train import train_segmentor
from wsss import distributed
from wsss.datasets import build_dataset

distributed.join()
out = Path(sys.argv[2])
config = Config.fromfile(sys.argv[1])
data = build_dataset(config.dataset)
check = check_labels(data, label_files(data, data.ids("train"), None))
network = train_segmentor(complete_config(config, num_classes=6, masks=None), out_dir=out)
written = write_predictions(
    network, data, data.ids("val"), out_dir=out, split="val", scales=(1.0,), flip=False, crf=False
)
(out / f"rank{distributed._rank()}.json").write_text(
    json.dumps({"images": check.images, "predicted": len(list((out / "predictions/val").glob("*.png")))})
)
distributed.exit_together()
"""


def test_two_processes_do_what_one_does(tiny_config, demo, tmp_path):
    # Statistics of a batch would differ between halves and whole; crops inside the image have no ignored
    # border, so that the mean of two means is the mean.
    tiny_config.model.backbone.freeze_norm = True
    for step in tiny_config.train_dataloader.dataset.pipeline:
        if step.type == "RandomCrop":
            step.crop_size = (48, 48)
    alone = train_segmentor(
        complete_config(tiny_config, num_classes=6, masks=None), out_dir=tmp_path / "alone"
    )
    settings = {"split": "val", "scales": (1.0,), "flip": False, "crf": False}
    write_predictions(alone, demo, demo.ids("val"), out_dir=tmp_path / "alone", **settings)
    (tmp_path / "two").mkdir()
    tiny_config.dump(tmp_path / "config.py")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(tmp_path / "script.py"), str(tmp_path / "config.py"), str(tmp_path / "two")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    together = torch.load(tmp_path / "two" / NETWORK, weights_only=True)
    for name, value in alone.state_dict().items():
        # Gradients of two halves are added in another order.
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5, msg=name)
    images = check_labels(demo, label_files(demo, demo.ids("train"), None)).images
    for rank in (0, 1):
        seen = json.loads((tmp_path / "two" / f"rank{rank}.json").read_text())
        assert seen == {"images": images, "predicted": len(demo.ids("val"))}
    for image_id in demo.ids("val"):
        name = f"predictions/val/{image_id}.png"
        first, second = (read_mask(tmp_path / folder / name) for folder in ("alone", "two"))
        # Weights equal up to rounding may tip single pixels.
        assert (first != second).mean() < 0.01
