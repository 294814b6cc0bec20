"""The backbone of docs/add-backbone.md runs as printed, from a package outside the checkout."""

import json
import os
import re
import subprocess
import sys

import pytest

from wsss.backbones import build_backbone
from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

BUILD = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('installed')"
TINY = (
    "dataset.train=6", "dataset.val=2", "dataset.side=96", "model.backbone=lite0", "model.pretrained=none",
    "model.warmup_epochs=0", "train.epochs=1", "train.batch_size=3", "train.num_workers=0", "train.resize=64",
    "train.crop=64", "train.on_dead_maps=warn", "infer.scales=(1.0,)", "infer.image_specific=False",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page prints, built, beside a checkout."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "wsss").symlink_to(PROJECT_ROOT)
    (folder / "my-backbone" / "installed").mkdir(parents=True)
    page = (PROJECT_ROOT / "docs" / "add-backbone.md").read_text(encoding="utf-8")
    printed = re.findall(r"^`my-backbone/(\S+)`:\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert [name for name, _ in printed] == ["pyproject.toml", "lite0.py"]
    for name, code in printed:
        (folder / "my-backbone" / name).write_text(code)
    # Not by pip, which would install into the environment of the tests.
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder / "my-backbone", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_seeds_are_made_on_it(folder):
    path = [PROJECT_ROOT, folder / "my-backbone", folder / "my-backbone" / "installed"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "GPUS": "1"}
    command = ["-m", "wsss.cli", "run", "seeds", "demo", "--no-baselines", "--json", "--data-root", "data"]
    command += ["--work-dir", "work", "--cfg-options", *TINY]
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seeds"]["figures"]["mIoU"] > 0


@pytest.fixture
def installed(folder, monkeypatch):
    """The package on the import path of this process."""
    for path in (folder / "my-backbone", folder / "my-backbone" / "installed"):
        monkeypatch.syspath_prepend(str(path))
    yield folder / "my-backbone"
    sys.modules.pop("lite0", None)


def test_its_strides_are_taken_away(installed):
    backbone = build_backbone("lite0", output_stride=16)
    assert backbone.strides == (2, 4, 8, 16, 16)
    assert backbone.channels[-1] == 320


def test_a_misspelt_name_gets_the_nearest(installed):
    with pytest.raises(ConfigError, match=r"backbone out of .*lite0.*, got 'lite1': did you mean 'lite0'\?"):
        build_backbone("lite1")


def test_what_cannot_be_imported_is_named(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "lite0", None)
    with pytest.raises(ConfigError, match=r"expected to import the backbone 'lite0' from lite0:build, got"):
        build_backbone("lite0")
