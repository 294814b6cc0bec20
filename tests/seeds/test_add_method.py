"""The methods of docs/add-seed-method.md run as printed, from a package outside the checkout."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from seeds.methods import check_settings
from wsss.artifacts import open_artifact, read_seed
from wsss.cli.stages import load_config
from wsss.datasets import DemoDataSet
from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

COUNT = 8
FILES = ["pyproject.toml", "topcam.py", "topcam_demo.py", "cutout.py", "cutout_demo.py"]
SMALL = (
    f"dataset.train={COUNT}", "dataset.val=2", "dataset.side=96", "train.resize=48", "train.crop=40",
    "train.epochs=2", "train.batch_size=4", "train.num_workers=0",
)  # fmt: skip
BUILD = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('installed')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page prints, built, beside a checkout."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "wsss").symlink_to(PROJECT_ROOT)
    (folder / "my-seeds" / "installed").mkdir(parents=True)
    page = (PROJECT_ROOT / "docs" / "add-seed-method.md").read_text(encoding="utf-8")
    printed = re.findall(r"^`my-seeds/(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert [name for name, _ in printed] == FILES
    for name, code in printed:
        (folder / "my-seeds" / name).write_text(code)
    # Not by pip, which would install into the environment of the tests.
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder / "my-seeds", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def run_seeds(folder, name, *options):
    """Run the stage as another program would; gives what it wrote."""
    # The package's code, and what installing it would leave beside: its entry points.
    path = [PROJECT_ROOT, folder / "my-seeds", folder / "my-seeds" / "installed"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "GPUS": "1"}
    command = ["-m", "wsss.cli", "run", "seeds", "demo", "--config", f"my-seeds/{name}_demo.py", "--json"]
    command += ["--variant", name, "--data-root", "data", "--work-dir", "work"]
    return subprocess.run(
        [sys.executable, *command, "--cfg-options", *SMALL, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def tags(folder, image_id):
    data = DemoDataSet(root=str(folder / "data"), train=COUNT, val=2, side=96, random_seed=0, name="demo")
    return list(data.tags(image_id))


def test_a_method_of_a_package_is_trained_scored_and_skipped_when_up_to_date(folder):
    done = run_seeds(folder, "topcam")
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["seeds-topcam"]["figures"]["mIoU"] < 1
    seeds = open_artifact(folder / "work" / "seeds-topcam")
    assert len(seeds.ids) == COUNT
    # The preset's value above the method's default; the method's; all methods'.
    wanted = {"model.share": 0.2, "train.classifier_factor": 10.0, "train.weight_decay": 1e-4}
    assert wanted.items() <= seeds.manifest["settings"].items()
    assert (seeds.dir / "train/network.pth").is_file()
    assert (seeds.dir / "train/backbone.pth").is_file()
    seed = read_seed(seeds.file(seeds.ids[0]))
    assert seed.classes.tolist() == tags(folder, seeds.ids[0])
    assert seed.foreground is None
    assert "skipped" in run_seeds(folder, "topcam").stderr


def test_two_trainings_run_in_turn_and_give_a_foreground_map_and_logits(folder):
    done = run_seeds(folder, "cutout", "train.map_epochs=1")
    assert done.returncode == 0, done.stderr
    seeds = open_artifact(folder / "work" / "seeds-cutout")
    assert seeds.manifest["maps"] == "agnostic"
    for image_id in seeds.ids:
        seed = read_seed(seeds.file(image_id))
        labels = tags(folder, image_id)
        assert seed.classes.tolist() == (labels if len(labels) == 1 else [])
        assert seed.foreground.shape == seed.maps.shape[1:]
        assert seed.logits.shape == (6,)
    # The second training left the first one's network as it was.
    first, second = (torch.load(seeds.dir / "train" / name / "network.pth") for name in ("classifier", "map"))
    assert first.keys() == {
        key.removeprefix("classifier.") for key in second if key.startswith("classifier.")
    }
    assert all(torch.equal(value, second[f"classifier.{key}"]) for key, value in first.items())
    # Maps at one more scale need no training.
    done = run_seeds(folder, "cutout", "train.map_epochs=1", "infer.scales=(1.0,)")
    assert done.returncode == 0, done.stderr
    assert "taken over" in done.stderr
    assert done.stderr.count("already trained, weights loaded") == 2


@pytest.fixture
def installed(folder, monkeypatch):
    """The package on the import path of this process; gives its preset."""
    for path in (folder / "my-seeds", folder / "my-seeds" / "installed"):
        monkeypatch.syspath_prepend(str(path))
    yield folder / "my-seeds" / "topcam_demo.py"
    for name in ("topcam", "cutout"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.share=0.0", "expected model.share above 0 and at most 1, got 0.0: correct 'model.share'"),
        ("model.area=0.1", "expected a known key, got 'model.area'"),
        ("method=topcan", "topcam, got 'topcan': did you mean 'topcam'?"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(installed, option, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        check_settings(load_config("seeds", "demo", path=installed, options=[option]))
    assert "\n" not in str(caught.value)


def test_a_method_without_build_is_refused_and_the_member_named(installed):
    file = installed.with_name("topcam.py")
    code = file.read_text()
    try:
        file.write_text(code.replace("def build(", "def make_network("))
        with pytest.raises(ConfigError, match=r"'topcam' of the package my-seeds .*build"):
            load_config("seeds", "demo", path=installed)
    finally:
        file.write_text(code)


def test_the_loss_of_the_page_is_that_of_the_strongest_pixels(installed):
    import topcam

    network = topcam.TopCAMNet("plain8", 2)
    class_map = torch.zeros(1, 2, 4, 5)
    class_map[0, 0, 0, :2] = torch.tensor([3.0, 1.0])
    network.forward = lambda image: class_map.requires_grad_()
    losses = network.training_losses(
        {"image": torch.zeros(1, 3, 8, 8), "tags": torch.tensor([[1.0, 0.0]])}, step=0
    )
    # A tenth of 20 pixels are two: their means are 2 and 0, so the loss is (log(1 + e^-2) + log 2) / 2.
    assert losses["loss"].item() == pytest.approx((0.126928 + 0.693147) / 2, abs=1e-5)
    assert losses["peak"].item() == pytest.approx(1.5)
    losses["loss"].backward()
    assert (class_map.grad[0, 0] != 0).sum() == 2
