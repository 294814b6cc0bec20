"""Training and writing seeds in two processes against one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import open_artifact, read_seed

JOB = Path(__file__).with_name("two_processes_job.py")
SETTINGS = (
    "dataset.train=14", "dataset.val=2", "dataset.side=96", "train.resize=64", "train.crop=56",
    "train.epochs=2", "train.batch_size=4", "train.num_workers=0", "model.warmup_epochs=1",
    "infer.scales=(1.0,)",
)  # fmt: skip


def test_two_processes_take_the_steps_of_one(tmp_path):
    spec = importlib.util.spec_from_file_location("two_processes_job", JOB)
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    alone = job.train(tmp_path / "alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", JOB]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    both = json.loads((tmp_path / "figures.json").read_text())
    assert [len(step) for step in alone["losses"]] == [2, 8, 8]  # one of warm-up, two of all terms
    # float32, and the mean of two means is rounded in another order.
    for one, two in zip(alone["losses"], both["losses"], strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    assert both["weights"].keys() == alone["weights"].keys()
    for name, value in alone["weights"].items():
        assert both["weights"][name] == pytest.approx(value, abs=1e-3), name


def run_seeds(root, *options, processes):
    command = [sys.executable, "-m", "wsss.cli", "run", "seeds", "demo", "--json", "--no-baselines"]
    command += ["--data-root", root / "data", "--work-dir", root / "work", "--cfg-options", *SETTINGS]
    environment = os.environ | {"GPUS": str(processes)}
    return subprocess.run(
        [*command, *options], cwd=root, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder in which two processes have trained and published seeds."""
    root = tmp_path_factory.mktemp("two")
    done = run_seeds(root, processes=2)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seeds"]["figures"]["images"] == 14
    # Only one of the two speaks.
    assert done.stderr.count("write seeds: ") == 1
    assert "Warning" not in done.stderr
    return root


def test_seeds_are_the_same_for_any_number_of_processes(root):
    """One process writes them again, with the network that two have trained."""
    seeds = root / "work" / "seeds"
    before = {file.name: read_seed(file) for file in seeds.glob("*.npz")}
    figures = open_artifact(seeds).manifest["figures"]
    for file in seeds.glob("*.npz"):
        file.unlink()
    done = run_seeds(root, processes=1)
    assert "already trained, weights loaded" in done.stderr
    assert open_artifact(seeds).manifest["figures"]["mIoU"] == pytest.approx(figures["mIoU"], abs=1e-3)
    assert len(before) == 14
    for name, seed in before.items():
        again = read_seed(seeds / name)
        assert again.classes.tolist() == seed.classes.tolist()
        # One step of float16: the number of threads may change how a sum is rounded.
        assert np.abs(again.maps - seed.maps).max() < 1e-3


@pytest.mark.slow
def test_finished_stage_is_skipped_by_both(root):
    begin = (root / "work" / "seeds" / "manifest.json").stat().st_mtime_ns
    done = run_seeds(root, processes=2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("up to date") == 1
    assert (root / "work" / "seeds" / "manifest.json").stat().st_mtime_ns == begin


def test_an_error_in_the_second_process_ends_the_job(root):
    """The damage lies inside the image, so that it shows when one of the two reads it for the training."""
    seeds, broken = root / "work" / "seeds", root / "data" / "JPEGImages" / "train_00003.jpg"
    whole = broken.read_bytes()
    for file in seeds.glob("*.npz"):
        file.unlink()
    Image.open(broken).save(broken, format="PNG")
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 0xFF
    broken.write_bytes(content)
    done = run_seeds(root, processes=2)  # has a time limit; processes wait a day for each other
    broken.write_bytes(whole)
    assert done.returncode == 1
    assert done.stderr.count("expected a whole image at") == 1
    assert "train_00003.jpg" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (seeds / "manifest.json").exists()
