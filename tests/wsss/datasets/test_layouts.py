"""Lists of localisation sets: read as they stand, refused where they do not fit each other."""

import numpy as np
import pytest

from wsss.datasets.layouts import (
    Located,
    cub_splits,
    openimages_splits,
    read_class_names,
    read_cub,
    read_openimages,
    read_wsol,
    wsol_splits,
)
from wsss.datasets.wsol_build import write_lists
from wsss.errors import DataError


def write(folder, **lists):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text)


@pytest.fixture
def metadata(tmp_path):
    """Two images, the second with two objects."""
    write(
        tmp_path / "metadata" / "val",
        image_ids="a/1.jpg\nb/2, big.jpg\n",
        class_labels="a/1.jpg,0\nb/2, big.jpg,4\n",
        image_sizes="b/2, big.jpg,50,40\na/1.jpg,30,20\n",
        localization="b/2, big.jpg,1,2,3,4\na/1.jpg,0,0,30,20\nb/2, big.jpg,5,6,7,8\n",
    )
    return tmp_path / "metadata"


def test_boxes_of_wsolevaluation(metadata, tmp_path):
    assert wsol_splits(metadata) == ("val",)
    assert read_wsol(tmp_path, metadata, "val") == {
        "a/1.jpg": Located(1, (20, 30), ((0, 0, 30, 20),)),
        "b/2, big.jpg": Located(5, (40, 50), ((1, 2, 3, 4), (5, 6, 7, 8))),
    }


def test_masks_of_wsolevaluation(metadata, tmp_path):
    text = "a/1.jpg,a/m1.png,a/i.png\nb/2, big.jpg,b/m1.png,b/i.png\nb/2, big.jpg,b/m2.png,\n"
    write(metadata / "val", localization=text)
    (metadata / "val" / "image_sizes.txt").unlink()
    found = read_wsol(tmp_path, metadata, "val")
    assert found["a/1.jpg"] == Located(1, masks=(tmp_path / "a/m1.png",), ignore=tmp_path / "a/i.png")
    assert found["b/2, big.jpg"].masks == (tmp_path / "b/m1.png", tmp_path / "b/m2.png")
    assert found["b/2, big.jpg"].ignore == tmp_path / "b/i.png"


def test_lists_of_labels_alone_are_enough_for_training(metadata, tmp_path):
    for name in ("image_sizes", "localization"):
        (metadata / "val" / f"{name}.txt").unlink()
    assert read_wsol(tmp_path, metadata, "val")["a/1.jpg"] == Located(1)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        pytest.param(
            {"class_labels": "a/1.jpg,0\na/1.jpg,3\nb/2, big.jpg,4\n"},
            r"expected one class for each image in .*class_labels.txt, got more rows for 1: a/1.jpg: "
            r"an image of a localisation set has one class",
            id="two-tags",
        ),
        pytest.param(
            {"class_labels": "a/1.jpg,0\n"},
            r"class_labels.txt a row for each image of image_ids.txt and no others, got none for 1: b/2, "
            r"big.jpg: take both files from one release",
            id="no-label",
        ),
        pytest.param(
            {"image_ids": "a/1.jpg\n"},
            r"class_labels.txt a row .*, got others for 1: b/2, big.jpg",
            id="foreign-label",
        ),
        pytest.param(
            {"localization": "a/1.jpg,1,2,3,4\nc.jpg,1,2,3,4\n"},
            r"localization.txt a row .*, got none for 1: b/2, big.jpg and others for 1: c.jpg",
            id="other-boxes",
        ),
        pytest.param(
            {"class_labels": "a/1.jpg,-1\n"}, r"a label from 0 on in line 1 of .*got '-1'", id="label"
        ),
        pytest.param(
            {"class_labels": "a/1.jpg,x\n"}, r"expected 1 finite numbers in line 1 .*got 'x'", id="word"
        ),
        pytest.param({"class_labels": "a/1.jpg,nan\n"}, r"expected 1 finite numbers in line 1", id="nan"),
        pytest.param(
            {"class_labels": "a/1.jpg\n"}, r"expected 2 cells separated by commas in line 1", id="cells"
        ),
        pytest.param({"image_sizes": "a/1.jpg,0,9\n"}, r"width and height of an image in line 1", id="size"),
        pytest.param(
            {"localization": "a/1.jpg,m.png,\nb/2, big.jpg,m.png,i.png\n"},
            r"ignored pixels at an image's first row alone, got '' in line 1",
            id="no-ignore",
        ),
        pytest.param(
            {"localization": "a/1.jpg,m.png,i.png\na/1.jpg,m.png,i.png\n"},
            r"first row alone, got 'i.png' in line 2",
            id="ignore-twice",
        ),
        pytest.param(
            {"localization": "a/1.jpg,../m.png,i.png\n"}, r"relative to its folder .*got '../m.png'", id="up"
        ),
        pytest.param(
            {"image_ids": "a/1.jpg\na/1.jpg\n"}, r"each image id once in .*image_ids.txt", id="id-twice"
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused(metadata, tmp_path, lists, message):
    write(metadata / "val", **lists)
    with pytest.raises(DataError, match=message):
        read_wsol(tmp_path, metadata, "val")


def test_an_absent_list_is_named(metadata, tmp_path):
    (metadata / "val" / "class_labels.txt").unlink()
    with pytest.raises(DataError, match=r"expected a list at .*class_labels.txt, found no file"):
        read_wsol(tmp_path, metadata, "val")


def test_what_is_written_is_read(tmp_path):
    rng = np.random.default_rng(0)
    for round_ in range(20):
        images = {}
        for number in range(int(rng.integers(1, 6))):
            boxes = tuple(
                tuple(int(one) for one in rng.integers(0, 99, 4)) for _ in range(rng.integers(1, 4))
            )
            masks = tuple(tmp_path / f"m {number},{index}.png" for index in range(rng.integers(1, 3)))
            place = (
                {"boxes": boxes} if round_ % 2 else {"masks": masks, "ignore": tmp_path / f"i{number}.png"}
            )
            size = (int(rng.integers(1, 999)), int(rng.integers(1, 999)))
            images[f"folder {number}/é, {number}.jpg"] = Located(int(rng.integers(1, 9)), size, **place)
        if not round_ % 2:
            # A comma in the name of a mask is one too many for the layout.
            images = {
                one: Located(found.label, found.size, masks=(tmp_path / "m.png",), ignore=found.ignore)
                for one, found in images.items()
            }
        write_lists(tmp_path / "lists" / "train", images, tmp_path)
        assert read_wsol(tmp_path, tmp_path / "lists", "train") == images


@pytest.fixture
def cub(tmp_path):
    write(
        tmp_path,
        images="1 001.A/x.jpg\n2 001.A/y.jpg\n7 002.B/z.jpg\n",
        image_class_labels="1 1\n2 1\n7 2\n",
        train_test_split="1 1\n2 0\n7 1\n",
        bounding_boxes="1 60.0 27.0 325.0 304.0\n2 1.5 2.5 3.0 4.0\n7 0.0 0.0 9.0 9.0\n",
        classes="1 001.A\n2 002.B\n",
    )
    return tmp_path


def test_lists_of_cub(cub):
    assert cub_splits(cub) == ("test", "train")
    assert read_cub(cub, "train") == {
        "001.A/x.jpg": Located(1, boxes=((60, 27, 385, 331),)),
        "002.B/z.jpg": Located(2, boxes=((0, 0, 9, 9),)),
    }
    assert read_cub(cub, "test") == {"001.A/y.jpg": Located(1, boxes=((1, 2, 4, 6),))}
    assert read_class_names(cub / "classes.txt") == ("001.A", "002.B")
    (cub / "segmentations" / "001.A").mkdir(parents=True)
    (cub / "segmentations" / "001.A" / "y.png").touch()
    assert read_cub(cub, "test")["001.A/y.jpg"].masks == (cub / "segmentations/001.A/y.png",)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"image_class_labels": "1 1\n1 2\n2 1\n7 2\n"}, r"got image 1 again in line 2: .* has one class"),
        (
            {"image_class_labels": "1 1\n2 1\n"},
            r"image_class_labels.txt a row .*images.txt .*, got none for 1: 7",
        ),
        (
            {"bounding_boxes": "1 1 1 1 1\n2 1 1 1 1\n8 1 1 1 1\n7 1 1 1 1\n"},
            r"bounding_boxes.* others for 1: 8",
        ),
        ({"bounding_boxes": "1 1 1 1\n2 1 1 1 1\n7 1 1 1 1\n"}, r"expected 4 finite numbers .* for image 1 "),
        (
            {"images": "1 ../x.jpg\n2 y.jpg\n7 z.jpg\n"},
            r"relative to its folder in image 1 of .*, got '../x.jpg'",
        ),
        ({"images": "1\n"}, r"a number and a value in line 1 of .*images.txt, got '1'"),
    ],
)
def test_lists_of_cub_that_do_not_fit_are_refused(cub, lists, message):
    write(cub, **lists)
    with pytest.raises(DataError, match=message.replace("in image 1 of", "in image 1 in")):
        read_cub(cub, "train")


def test_lists_of_openimages(tmp_path):
    write(
        tmp_path,
        train_images="train/a/1.jpg,0\ntrain/b/2.jpg,1\n",
        test_images="test/a/3.jpg,0\n",
        test_mask="test/a/3.jpg,test/a/3_m1.png,test/a/3_ignore.png\ntest/a/3.jpg,test/a/3_m2.png,\n",
    )
    assert openimages_splits(tmp_path) == ("test", "train")
    assert read_openimages(tmp_path, tmp_path, "train") == {
        "train/a/1.jpg": Located(1),
        "train/b/2.jpg": Located(2),
    }
    masks = (tmp_path / "test/a/3_m1.png", tmp_path / "test/a/3_m2.png")
    expected = Located(1, masks=masks, ignore=tmp_path / "test/a/3_ignore.png")
    assert read_openimages(tmp_path, tmp_path, "test") == {"test/a/3.jpg": expected}
    # As the lists of CUB's masks that go round: their ids have one more folder in front.
    write(tmp_path, test_mask="CUB/test/a/3.jpg,m.png,i.png\n")
    with pytest.raises(DataError, match=r"got none for 1: test/a/3.jpg and others for 1: CUB/test/a/3.jpg"):
        read_openimages(tmp_path, tmp_path, "test")
    write(tmp_path, train_images="a.jpg,0\na.jpg,1\n")
    with pytest.raises(DataError, match=r"one class for each image .*got more rows for 1: a.jpg"):
        read_openimages(tmp_path, tmp_path, "train")


def test_names_of_classes(tmp_path):
    write(tmp_path, classes="/m/01\npolar bear\n")
    assert read_class_names(tmp_path / "classes.txt") == ("/m/01", "polar bear")
    write(tmp_path, classes="1 polar bear\n2 fox\n")
    assert read_class_names(tmp_path / "classes.txt") == ("polar bear", "fox")
    write(tmp_path, classes="fox\nfox\n")
    with pytest.raises(DataError, match=r"name of a class on each line .*, got 2, 1 of them unlike"):
        read_class_names(tmp_path / "classes.txt")
