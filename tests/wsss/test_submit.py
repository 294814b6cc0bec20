"""The package for VOC's server: its layout, and everything that is refused before it is written."""

import json
import logging
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from wsss.archives import unpack_tar
from wsss.artifacts import voc_palette, write_mask
from wsss.cli import main
from wsss.config import load_dataset_settings
from wsss.datasets import build_dataset
from wsss.errors import ArtifactError, ConfigError
from wsss.submit import write_voc_package

IDS = [f"2008_00000{number}" for number in range(6)]


@pytest.fixture
def data(tmp_path):
    """A test split of six images of different sizes in VOC's layout."""
    root = tmp_path / "VOC2012"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for number, image_id in enumerate(IDS):
        Image.new("RGB", (30 + number, 20)).save(root / "JPEGImages" / f"{image_id}.jpg")
    (root / "ImageSets" / "Segmentation" / "test.txt").write_text("\n".join(IDS) + "\n")
    return build_dataset({"type": "voc", "root": str(root), "counts": {"test": 6}})


@pytest.fixture
def folder(data, tmp_path):
    folder = tmp_path / "predictions"
    rng = np.random.default_rng(0)
    for number, image_id in enumerate(IDS):
        write_mask(folder / f"{image_id}.png", rng.integers(0, 21, (20, 30 + number)))
    return folder


def content(package, folder):
    with tarfile.open(package) as opened:
        names = opened.getnames()
    unpack_tar(package, folder)
    return names


@pytest.mark.parametrize("competition", ["comp5", "comp6"])
def test_package_has_the_servers_layout_and_the_same_labels(data, folder, tmp_path, competition):
    (folder / "stray.png").write_bytes(b"not a prediction of the split")
    out = tmp_path / "out" / "voc.tar.gz"
    write_voc_package(folder, data, data.ids("test"), out=out, competition=competition)
    names = content(out, tmp_path / "unpacked")
    assert names == [f"results/VOC2012/Segmentation/{competition}_test_cls/{one}.png" for one in IDS]
    for image_id, name in zip(IDS, names, strict=True):
        with (
            Image.open(tmp_path / "unpacked" / name) as packed,
            Image.open(folder / f"{image_id}.png") as own,
        ):
            assert packed.mode == "P"
            assert packed.getpalette()[:63] == voc_palette()[:21].ravel().tolist()
            assert np.array_equal(np.asarray(packed), np.asarray(own))


def test_black_and_oddly_coloured_predictions_get_the_palette(data, folder, tmp_path, caplog):
    gray = np.full((20, 30), 5, np.uint8)
    Image.fromarray(gray, mode="L").save(folder / f"{IDS[0]}.png")
    odd = Image.fromarray(np.full((20, 31), 7, np.uint8), mode="P")
    odd.putpalette([9] * 768)
    odd.save(folder / f"{IDS[1]}.png")
    with caplog.at_level("INFO", logger="wsss"):
        write_voc_package(folder, data, IDS, out=tmp_path / "voc.tar.gz")
    assert "2 files had another palette" in caplog.text
    names = content(tmp_path / "voc.tar.gz", tmp_path / "unpacked")
    for name, label in zip(names[:2], (5, 7), strict=True):
        with Image.open(tmp_path / "unpacked" / name) as packed:
            assert packed.getpalette()[:63] == voc_palette()[:21].ravel().tolist()
            assert (np.asarray(packed) == label).all()


def test_an_incomplete_set_is_refused_and_listed(data, folder, tmp_path):
    for image_id in (IDS[1], IDS[4]):
        (folder / f"{image_id}.png").unlink()
    out = tmp_path / "voc.tar.gz"
    with pytest.raises(ArtifactError, match=f"of 6 images .* missing 2: {IDS[1]}, {IDS[4]} .*missing.txt"):
        write_voc_package(folder, data, IDS, out=out)
    assert (tmp_path / "voc.tar.gz.missing.txt").read_text().split() == [IDS[1], IDS[4]]
    assert not out.exists()
    for image_id in (IDS[1], IDS[4]):
        write_mask(folder / f"{image_id}.png", np.zeros((20, 30 + IDS.index(image_id))))
    write_voc_package(folder, data, IDS, out=out)
    assert not (tmp_path / "voc.tar.gz.missing.txt").exists()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        pytest.param(np.zeros((20, 30)), r"expected a mask of size \(20, 32\), got \(20, 30\)", id="size"),
        pytest.param(np.full((20, 32), 21), r"expected mask values 0\.\.20 or 255, got \[21\]", id="value"),
        pytest.param(np.full((20, 32), 255), "expected a label for each pixel .* got 255", id="ignore"),
    ],
)
def test_wrong_predictions_are_named_and_nothing_is_written(data, folder, tmp_path, mask, message):
    out = tmp_path / "voc.tar.gz"
    out.write_text("an older package")
    write_mask(folder / f"{IDS[2]}.png", mask)
    with pytest.raises(ArtifactError, match=message) as error:
        write_voc_package(folder, data, IDS, out=out)
    assert IDS[2] in str(error.value)
    assert out.read_text() == "an older package"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"competition": "comp7"}, "expected a competition out of comp5, comp6", id="competition"
        ),
        pytest.param({"out": "voc.zip"}, r"expected a name that ends in \.tar\.gz", id="name"),
    ],
)
def test_wrong_settings_are_refused(data, folder, tmp_path, settings, message):
    out = tmp_path / settings.pop("out", "voc.tar.gz")
    with pytest.raises(ConfigError, match=message):
        write_voc_package(folder, data, IDS, out=out, **settings)


def test_the_verb_packs_a_folder(data, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "submit",
        "voc",
        "--data-root",
        "VOC2012",
        "--predictions",
        "predictions",
        "--out",
        "p.tar.gz",
    ]
    # The preset wants all 1,456 images of VOC.
    assert call(monkeypatch, *arguments) == 1
    assert "expected 1456 images in split test of voc, got 6" in capsys.readouterr().err
    settings = load_dataset_settings("voc") | {"counts": {}, "root": str(data.root)}
    monkeypatch.setattr("wsss.cli.submit.load_dataset_settings", lambda *_: settings)
    assert call(monkeypatch, *arguments) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "p.tar.gz")
    assert len(content(tmp_path / "p.tar.gz", tmp_path / "unpacked")) == 6
    assert call(monkeypatch, *arguments, "--json") == 0
    facts = {"split": "test", "competition": "comp6", "images": 6}
    assert json.loads(capsys.readouterr().out) == {"package": str(tmp_path / "p.tar.gz"), **facts}


def test_the_verb_is_for_vocs_layout(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wsss.cli.submit.build_dataset", lambda settings: object())
    assert call(monkeypatch, "submit", "voc") == 2
    assert "expected a data set in VOC's layout for its server, got voc" in capsys.readouterr().err


def call(monkeypatch, *arguments):
    """Exit status of the command line."""
    monkeypatch.setattr(sys, "argv", ["wsss", *arguments])
    handlers = list(logging.getLogger("wsss").handlers)
    try:
        with pytest.raises(SystemExit) as stopped:
            main()
    finally:
        logging.getLogger("wsss").handlers = handlers
        logging.getLogger("wsss").propagate = True
    return stopped.value.code
