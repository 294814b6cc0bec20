"""A folder of images with any names, and a CSV."""

import inspect
import os

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import write_mask
from wsss.config import load_dataset_settings
from wsss.datasets import FolderDataSet, build_dataset
from wsss.errors import ConfigError, DataError
from wsss.images import read_image

# Name -> Pillow mode: spaces, letters beyond ASCII, a folder, every format, gray and alpha.
FILES = {
    "Ein Hund.jpg": "RGB",
    "größe/猫 1.png": "RGBA",
    "plain.webp": "RGB",
    "gray.tiff": "L",
    "v1.2.JPEG": "RGB",
}
CSV = "file,tags\nEin Hund.jpg,dog\ngröße/猫 1.png,cat; dog\nplain.webp,cat\ngray.tiff,\nv1.2.JPEG,dog;dog\n"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "meine Bilder"
    for name, mode in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (6, 4), 200 if mode == "L" else "red").save(root / name)
    (root / "tags.csv").write_text(CSV, encoding="utf-8")
    return root


def test_any_names_and_formats(root):
    dataset = FolderDataSet(root)
    assert dataset.classes == ("cat", "dog")
    assert dataset.ids("all") == ("Ein Hund", "größe/猫 1", "plain", "gray", "v1.2")
    assert [dataset.tags(one) for one in dataset.ids("all")] == [(2,), (1, 2), (1,), (), (2,)]
    for image_id in dataset.ids("all"):
        assert read_image(dataset.image_file(image_id)).shape == (4, 6, 3)
        assert dataset.mask_path(image_id) is None
    with pytest.raises(
        DataError, match="expected tags for all 5 images of split all of folder, got none for 1: gray"
    ):
        dataset.check("all")


def test_splits_classes_and_ground_truth(root, tmp_path):
    (root / "tags.csv").write_bytes(
        b"\xef\xbb\xbffile,split,tags\r\nplain.webp,train,cat\r\nEin Hund.jpg,val,dog \r\ngray.tiff,,bird\r\n"
    )
    write_mask(tmp_path / "truth" / "Ein Hund.png", np.ones((4, 6)))
    dataset = FolderDataSet(root, ground_truth=tmp_path / "truth", classes=["dog", "cat", "bird"])
    assert (dataset.ids("train"), dataset.ids("val")) == (("plain",), ("Ein Hund",))
    assert len(dataset.ids("all")) == 3
    assert (dataset.tags("Ein Hund"), dataset.tags("plain")) == ((1,), (2,))
    assert dataset.mask_path("Ein Hund") == tmp_path / "truth" / "Ein Hund.png"
    assert dataset.mask_path("plain") is None
    assert dataset.unlisted() == ("größe/猫 1.png", "v1.2.JPEG")
    with pytest.raises(DataError, match="expected a split out of all, train, val of folder, got 'test'"):
        dataset.ids("test")
    with pytest.raises(DataError, match="expected 7 images in split all of folder, got 3"):
        FolderDataSet(root, counts={"all": 7}).ids("all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "got none: add file and tags to its first line", id="empty"),
        pytest.param("file,tags\n", "expected a row for each image in .*got none", id="no-rows"),
        pytest.param("file,tag\na.jpg,cat\n", "got file, tag: add tags to its first line", id="column"),
        pytest.param("tags,file\ncat,dog,a.jpg\n", r"columns \(2\) in line 2 .*, got 3: make", id="too-many"),
        pytest.param("file,tags\na.jpg\n", r"as columns \(2\) in line 2 of .*, got 1", id="too-few"),
        pytest.param('file,tags\n"a.jpg,cat\n', "expected a CSV at .*: correct line 2", id="open-quote"),
        pytest.param("file,tags\n../../a.jpg,cat\n", r"in line 2 of .*got '\.\./\.\./a\.jpg'", id="up"),
        pytest.param("file,tags\n/etc/a.jpg,cat\n", "relative to its folder in line 2", id="absolute"),
        pytest.param('file,tags\n"a\nb.jpg",cat\n', "relative to its folder in line 3", id="line-break"),
        pytest.param("file,tags\n,cat\n", "expected an image id in line 2", id="no-file"),
        pytest.param("file,tags\na.jpg,cat\na.jpg,dog\n", "once in .*got a.jpg and a.jpg", id="twice"),
        pytest.param("file,tags\na.jpg,cat\na.png,dog\n", "a.jpg and a.png .*than the suffix", id="clash"),
        pytest.param("file,tags\na.jpg,\n", "a tag for at least one image", id="no-tags"),
        pytest.param("file,tags\na.jpg,cot\n", r"tags out of cat, dog in .*got 1: cot", id="unknown-class"),
    ],
)  # fmt: skip
def test_faulty_tables_are_refused(root, text, message):
    (root / "tags.csv").write_text(text, encoding="utf-8")
    classes = ["cat", "dog"] if "cot" in text else None
    with pytest.raises(DataError, match=message):
        FolderDataSet(root, classes=classes)


def test_what_is_absent_is_named(root, tmp_path):
    with pytest.raises(DataError, match=r"expected a folder with the images and tags.csv at .*nowhere"):
        FolderDataSet(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"columns file, tags at .*other\.csv, found no file"):
        FolderDataSet(root, labels=tmp_path / "other.csv")
    with pytest.raises(ConfigError, match=r"unlike names in dataset.classes, got 2, 1 of them"):
        FolderDataSet(root, classes=["cat", "cat"])
    (root / "tags.csv").write_bytes(b"file,tags\n\xff.jpg,cat\n")
    with pytest.raises(DataError, match=r"expected a CSV in UTF-8 at .*decode"):
        FolderDataSet(root)
    (root / "tags.csv").write_text("file,tags\nplain.webp,cat\ngone.jpg,cat\n")
    with pytest.raises(DataError, match=r"missing 1: gone\.jpg: add them or take them out"):
        FolderDataSet(root).ids("all")
    (root / "tags.csv").write_text("file,tags\nPLAIN,cat\n")
    with pytest.raises(DataError, match=r"missing 1: PLAIN: did you mean 'plain\.webp\'\? add them"):
        FolderDataSet(root).ids("all")


def test_photos_are_turned_unless_their_pixels_are_kept(root):
    header = Image.Exif()
    header[0x0112] = 8
    Image.new("RGB", (6, 4)).save(root / "Ein Hund.jpg", exif=header)
    assert read_image(FolderDataSet(root).image_file("Ein Hund")).shape == (6, 4, 3)
    assert read_image(FolderDataSet(root, exif="keep").image_file("Ein Hund")).shape == (4, 6, 3)
    with pytest.raises(ConfigError, match=r"expected dataset.exif out of apply, keep, got 'raw': choose one"):
        FolderDataSet(root, exif="raw")


def test_loops_of_links_are_no_trap(root, tmp_path):
    (root / "again").symlink_to(root)
    assert FolderDataSet(root).unlisted() == ()
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "tags.csv").write_text("file,tags\nloop.jpg,cat\n")
    with pytest.raises(DataError, match=r"missing 1: loop\.jpg"):
        FolderDataSet(root).ids("all")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ConfigError, match=r"expected a path that leads somewhere, got .*circle"):
        FolderDataSet(tmp_path / "circle")


def test_a_failing_folder_is_named(root, monkeypatch):
    def refuse(top, onerror, **_):
        onerror(PermissionError(13, "Permission denied", str(top)))

    dataset = FolderDataSet(root)
    monkeypatch.setattr(os, "walk", refuse)
    with pytest.raises(DataError, match=r"expected a folder that can be read at .*Permission denied"):
        dataset.unlisted()


def test_the_preset_names_every_setting_and_no_other(root):
    preset = load_dataset_settings("folder")
    assert set(preset) == {*inspect.signature(FolderDataSet).parameters, "type", "train_split", "val_split"}
    assert isinstance(build_dataset({**preset, "root": root}), FolderDataSet)
