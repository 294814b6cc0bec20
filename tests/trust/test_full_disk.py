"""A full disk or a lost permission in the middle of a run: one clear error, and it goes on after."""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import open_artifact, write_mask
from wsss.cli.app import _in_words
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import WsssError
from wsss.stage import Result, Stage
from wsss.weights import load_weights, save_weights

IDS = ("a", "b", "c")
WEIGHTS = {"weight": torch.arange(20_000.0)}


def fill(job):
    for one in IDS:
        if not (job.out_dir / f"{one}.png").is_file():
            write_mask(job.out_dir / f"{one}.png", np.ones((8, 8)))
    if not (job.out_dir / "train" / "network.pth").is_file():
        save_weights(WEIGHTS, job.out_dir / "train" / "network.pth")
    return Result(split="all", image_ids=IDS)


@pytest.fixture
def run(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for one in IDS:
        Image.new("RGB", (8, 8)).save(images / f"{one}.png")
    (images / "tags.csv").write_text("file,tags\n" + "".join(f"{one}.png,cat\n" for one in IDS))
    dataset = {"type": "folder", "root": str(images), "train_split": "all", "val_split": "all"}
    settings = Settings(Config({"dataset": dataset}))
    stage = Stage("refine", "masks", schema=1, run=fill)
    return lambda: run_stage(stage, settings, dataset_name="toy", work_dir=tmp_path / "work")


@contextlib.contextmanager
def files_of_at_most(size):
    """A disk on which no file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def said(run):
    """The one line that the command line would print for what a run raises."""
    with pytest.raises((WsssError, OSError, RuntimeError)) as caught:
        run()
    words = _in_words(caught.value)
    assert words is not None
    assert "\n" not in str(words)
    return str(words)


def goes_on(run, work):
    """Nothing half-written lies there or is published; the next run publishes all."""
    masks = work / "masks"
    assert not (masks / "manifest.json").exists()
    assert not list(work.rglob(".partial-*"))
    run()
    assert open_artifact(masks).ids == IDS
    kept = load_weights(masks / "train" / "network.pth", what="weights")
    assert torch.equal(kept["weight"], WEIGHTS["weight"])


def test_a_full_disk_is_one_line_and_the_run_goes_on_after(run, tmp_path):
    with files_of_at_most(20_000):
        assert "free space or change --work-dir" in said(run)
    goes_on(run, tmp_path / "work")


@pytest.mark.parametrize("left", range(6))
def test_a_permission_lost_at_any_file_is_one_line_and_the_run_goes_on_after(
    run, monkeypatch, tmp_path, left
):
    make, made = tempfile.mkstemp, []

    def refuse(**options):
        made.append(options)
        if len(made) > left:
            raise PermissionError(13, "Permission denied", str(options["dir"]))
        return make(**options)

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    line = said(run)
    assert "expected a folder that can be written" in line
    assert "Permission denied" in line
    monkeypatch.undo()
    goes_on(run, tmp_path / "work")


HOLD = """
import os, sys, time
from pathlib import Path
from wsss.folder import only_run
with only_run(Path(sys.argv[1]), "masks"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_holds_against_another_process_and_does_not_survive_its_death(run, tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "work"], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert holder.stdout.readline() == "held\n"
        assert "expected to be the only run" in said(run)
    finally:
        holder.kill()
        holder.wait()
    run()
    assert open_artifact(tmp_path / "work" / "masks").ids == IDS
