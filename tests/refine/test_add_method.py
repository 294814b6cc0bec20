"""The method of docs/add-refine-method.md runs as printed, from a package outside the checkout."""

import json
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from refine.methods import check_settings
from wsss.artifacts import open_artifact, read_mask, write_seed
from wsss.cli.stages import load_config, load_stage
from wsss.config import load_settings
from wsss.datasets import DemoDataSet
from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

COUNT = 6
DATA = (f"dataset.train={COUNT}", "dataset.val=2", "dataset.side=96")
BUILD = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('installed')"


def refine(folder):
    # The package's code, and what installing it would leave beside: its entry points.
    path = [PROJECT_ROOT, folder / "my-refine", folder / "my-refine" / "installed"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "GPUS": "1"}
    command = ["-m", "wsss.cli", "run", "refine", "demo", "--config", "my-refine/grabcut_demo.py", "--json"]
    command += ["--variant", "grabcut", "--data-root", "data", "--work-dir", "work", "--cfg-options", *DATA]
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page prints, built, beside a checkout and the demo's blurred truth as seeds."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "wsss").symlink_to(PROJECT_ROOT)
    (folder / "my-refine" / "installed").mkdir(parents=True)
    page = (PROJECT_ROOT / "docs" / "add-refine-method.md").read_text(encoding="utf-8")
    printed = re.findall(r"^`my-refine/(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert [name for name, _ in printed] == ["pyproject.toml", "grabcut_masks.py", "grabcut_demo.py"]
    for name, code in printed:
        (folder / "my-refine" / name).write_text(code)
    # Not by pip, which would install into the environment of the tests.
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder / "my-refine", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    data = DemoDataSet(root=str(folder / "data"), train=COUNT, val=2, side=96, random_seed=0, name="demo")
    for one in data.ids("train"):
        truth = read_mask(data.mask_path(one))
        grid = ((truth.shape[1] - 1) // 4 + 1, (truth.shape[0] - 1) // 4 + 1)
        blurred = [
            cv2.resize(cv2.GaussianBlur((truth == tag).astype(np.float32), (0, 0), 8), grid)
            for tag in data.tags(one)
        ]
        write_seed(
            folder / "work" / "seeds" / f"{one}.npz",
            classes=np.array(data.tags(one)),
            maps=np.stack(blurred),
            size=truth.shape,
        )
    manifest = {"schema": 1, "kind": "seeds", "split": "train", "key": "k", "image_ids": data.ids("train")}
    (folder / "work" / "seeds" / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_masks_are_made_scored_and_skipped_when_up_to_date(folder):
    done = refine(folder)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["masks-grabcut"]["figures"]
    # Blurred outlines with the best threshold are no match for colours in the demo.
    assert figures["mIoU"] > figures["mIoU_oracle_threshold"] > 0.3
    masks = open_artifact(folder / "work" / "masks-grabcut")
    assert masks.manifest["settings"]["infer.threshold"] == 0.4
    assert masks.manifest["settings"]["infer.sure"] == 0.8
    assert len(masks.ids) == COUNT
    assert "skipped" in refine(folder).stderr


@pytest.fixture
def installed(folder, monkeypatch):
    """The package on the import path of this process; gives its preset."""
    for path in (folder / "my-refine", folder / "my-refine" / "installed"):
        monkeypatch.syspath_prepend(str(path))
    yield folder / "my-refine" / "grabcut_demo.py"
    sys.modules.pop("grabcut_masks", None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("infer.sure=0.1", "expected infer.sure at least infer.threshold, got 0.1 and 0.4"),
        ("infer.iterations=0", "expected infer.iterations at least 1, got 0: correct 'infer.iterations'"),
        ("infer.shure=0.1", "expected a known key, got 'infer.shure'"),
        ("method=grapcut", "method out of crf, grabcut, irn, got 'grapcut': did you mean 'grabcut'?"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(installed, option, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        check_settings(load_config("refine", "demo", path=installed, options=[option]))
    assert "\n" not in str(caught.value)


def test_settings_are_shown_with_the_method_that_has_them(installed):
    settings = load_settings(load_stage("refine"), "demo", path=installed)
    assert settings.config.infer.sure == 0.8
    assert settings.sources["infer.sure"] == "method grabcut"
    assert settings.sources["infer.threshold"] == str(installed)
