"""All three stages on a reduced demo, through the command line, as a user runs them."""

import json
import re
import subprocess
import sys

import pytest

from wsss.artifacts import open_artifact, read_mask, read_seed
from wsss.datasets import build_dataset
from wsss.paths import PROJECT_ROOT


def wsss(*arguments, cwd):
    command = [sys.executable, "-m", "wsss.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


SMALL_DATA = ("dataset.train=32", "dataset.val=8", "dataset.side=96")
SMALL = {
    "seeds": (
        "train.resize=64",
        "train.crop=56",
        "train.epochs=3",
        "model.warmup_epochs=1",
        "infer.scales=(1.0,)",
    ),
    "refine": ("train.crop=64", "train.batch_size=8", "train.epochs=1", "infer.steps=16"),
    "segment": ("train_cfg.max_iters=6", "train_dataloader.batch_size=4", "infer.scales=(1.0,)"),
}


def options(*names):
    return [part for name in names for part in ("--cfg-options", name)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The work folder after all three stages, and what each printed."""
    root = tmp_path_factory.mktemp("demo")
    printed = {}
    for stage, settings in SMALL.items():
        done = wsss(
            "run", stage, "demo", "--data-root", root / "data", "--work-dir", root / "work",
            *options(*SMALL_DATA, *settings), "--json", cwd=root,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed[stage] = json.loads(done.stdout)
    return root, printed


@pytest.fixture(scope="module")
def dataset(folders):
    return build_dataset(
        {"type": "demo", "root": str(folders[0] / "data"), "train": 32, "val": 8, "side": 96}
    )


def test_every_stage_publishes_and_reports(folders):
    _, printed = folders
    assert set(printed["seeds"]) == {"seeds", "seeds-cam"}
    assert set(printed["refine"]) == {"masks"}
    assert set(printed["segment"]) == {"segment", "segment-full"}
    for rows in printed.values():
        for row in rows.values():
            assert 0 <= row["figures"]["mIoU"] <= 1


def test_seeds_hold_the_tags_of_every_training_image(folders, dataset):
    seeds = open_artifact(folders[0] / "work" / "seeds")
    assert seeds.ids == dataset.ids("train")
    for image_id in seeds.ids:
        seed = read_seed(seeds.file(image_id))
        assert tuple(seed.classes.tolist()) == dataset.tags(image_id)
        assert seed.size == read_mask(dataset.mask_path(image_id)).shape


def test_masks_and_predictions_have_the_images_sizes(folders, dataset):
    for name, split in (("masks", "train"), ("segment", "val"), ("segment-full", "val")):
        artifact = open_artifact(folders[0] / "work" / name)
        assert artifact.ids == dataset.ids(split)
        for image_id in artifact.ids:
            size = read_mask(dataset.mask_path(image_id)).shape
            read_mask(artifact.file(image_id), num_classes=6, size=size)


def test_masks_name_only_tagged_classes(folders, dataset):
    masks = open_artifact(folders[0] / "work" / "masks")
    for image_id in masks.ids:
        labels = set(read_mask(masks.file(image_id)).flatten().tolist())
        assert labels <= {0, 255, *dataset.tags(image_id)}


def test_manifest_tells_how_it_came_about(folders):
    seeds = open_artifact(folders[0] / "work" / "seeds").manifest
    assert seeds["thresholds"]["seed"]["chosen_by"] == "oracle, train"
    assert seeds["settings"]["train.epochs"] == 3
    masks = open_artifact(folders[0] / "work" / "masks").manifest
    assert masks["inputs"]["input seeds"] == seeds["key"]
    full = open_artifact(folders[0] / "work" / "segment-full").manifest
    assert full["supervision"] == "full supervision"


def test_second_run_skips_everything(folders):
    root, _ = folders
    before = {file: file.stat().st_mtime_ns for file in (root / "work").glob("*/manifest.json")}
    done = wsss(
        "run", "seeds", "demo", "--data-root", root / "data", "--work-dir", root / "work",
        *options(*SMALL_DATA, *SMALL["seeds"]), cwd=root,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.count("up to date") == 2
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_stored_seeds_are_scored_without_a_network(folders):
    root, printed = folders
    done = wsss("evaluate", root / "work" / "seeds", "demo", "--data-root", root / "data", "--json",
                "--cfg-options", "dataset.train=32", "--cfg-options", "dataset.val=8",
                "--cfg-options", "dataset.side=96", cwd=PROJECT_ROOT)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mIoU"] == printed["seeds"]["seeds"]["figures"]["mIoU"]


def test_missing_input_names_the_command_that_makes_it(folders):
    root, _ = folders
    done = wsss("run", "refine", "demo", "--data-root", root / "data", "--work-dir", root / "empty",
                *options(*SMALL_DATA), cwd=root)  # fmt: skip
    assert done.returncode == 1
    assert "tools/run_stage.sh seeds demo" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_python_of_its_page_runs_as_printed(folders, tmp_path, monkeypatch, capsys):
    for name in ("work", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "demo").symlink_to(folders[0] / name)
    page = (PROJECT_ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    names = {}
    # The data set of the second block would be made in the checkout.
    exec(blocks[0], names)
    exec(blocks[1].replace("data/short", str(tmp_path / "data" / "short")), names)
    assert len(blocks) == 2
    assert names["probabilities"].shape[1:] == names["labels"].shape == names["image"].shape[:2]
    assert names["artifact"].dir == tmp_path / "work" / "short" / "seeds"
    assert (
        names["artifact"].manifest["figures"]["mIoU"]
        == eval(capsys.readouterr().out.splitlines()[-1])["mIoU"]
    )
