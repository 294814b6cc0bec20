"""``wsss predict``, ``wsss pack`` and ``wsss masks`` as people call them."""

import json

import numpy as np
import pytest
from PIL import Image

from segment.stage import STAGE
from tests.segment.conftest import tiny_settings
from wsss.artifacts import read_mask
from wsss.config import Settings
from wsss.engine import run_stage


@pytest.fixture(scope="module")
def published(demo_settings, tmp_path_factory):
    config = tiny_settings(demo_settings)
    config.train_cfg.max_iters = 1
    work = tmp_path_factory.mktemp("published")
    return run_stage(STAGE, Settings(config), dataset_name="tiny", work_dir=work).dir


def test_predict_and_pack(invoke, published, demo, tmp_path):
    photos = tmp_path / "my photos"
    photos.mkdir()
    for number, image_id in enumerate(demo.ids("val")):
        Image.open(demo.image_path(image_id)).save(photos / f"{number}.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    code, out, err = invoke("predict", published, photos, "--out", "out", "--rle", "--json")
    assert code == 1
    assert json.loads(out)["images"] == len(demo.ids("val"))
    assert list(json.loads(out)["unreadable"]) == ["broken"]
    assert "broken.jpg" in err
    assert "1 of 3 images could not be read" in err
    code, out, err = invoke("pack", published, "net.wsss")
    assert (code, out) == (0, "")
    assert "net.wsss" in err
    code, _, err = invoke("predict", "net.wsss", photos / "*.png", "--out", "again")
    assert code == 0, err
    for number in range(len(demo.ids("val"))):
        first = read_mask(tmp_path / "out" / "masks" / f"{number}.png")
        np.testing.assert_array_equal(first, read_mask(tmp_path / "again" / "masks" / f"{number}.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", ".", "a.png", "--out", "o"), "expected an image, a folder with images"),
        (("predict", "nowhere", ".", "--out", "o"), "nowhere, found none: correct NETWORK, or make it first"),
        (
            ("predict", ".", ".", "--out", "o", "--scales", "big"),
            "expected --scales such as 0.5,1, got 'big'",
        ),
        (("pack", "."), "expected a file to write, got none: name OUT or --onnx FILE"),
        (("pack", "nowhere", "o"), "nowhere, found none: correct NETWORK, or make it first"),
    ],
)
def test_what_the_call_itself_tells_is_refused_at_once(invoke, tmp_path, arguments, message):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    code, _, err = invoke(*arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "o").exists()


@pytest.fixture
def photos(demo, tmp_path):
    """Six tagged photos, the table as Excel writes it."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["file;tags"]
    for image_id in demo.ids("train"):
        Image.open(demo.image_path(image_id)).save(folder / f"{image_id}.png")
        names = [demo.classes[label - 1] for label in demo.tags(image_id)]
        lines.append(f"{image_id}.png;{', '.join(names)}")
    (folder / "tags.csv").write_bytes("\r\n".join(["﻿" + lines[0], *lines[1:]]).encode())
    return folder


def test_masks_are_planned_from_photos_and_tags(invoke, photos, tmp_path):
    call = ("masks", photos, "--out", "out", "--weights", "none", "--dry-run")
    for effort, reads in (("quick", "seeds"), ("thorough", "seeds")):
        code, out, err = invoke(*call, "--effort", effort)
        assert code == 0, err
        assert "6 of 6 classes have fewer than 20 images" in err
        assert reads in out
    # On a slow machine the photos are old enough by then for their hashes to be kept.
    made = {one.name for one in (tmp_path / "out").rglob("*") if one.is_file()}
    assert made <= {".contents.json"}
    code, _, err = invoke("masks", tmp_path, "--out", "out")
    assert "tags.csv" in err
    assert code == 1


@pytest.mark.slow
def test_masks_from_photos_and_tags(invoke, photos, tmp_path):
    code, out, err = invoke("masks", photos, "--out", "out", "--weights", "none", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["images"] == 6
    assert (tmp_path / "out" / "classes.txt").read_text().split() == answer["classes"]
    for file in photos.glob("*.png"):
        mask = read_mask(tmp_path / "out" / "masks" / file.name)
        assert mask.shape == Image.open(file).size[::-1]
        assert (tmp_path / "out" / "overlays" / f"{file.stem}.jpg").is_file()
