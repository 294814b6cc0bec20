"""Localisation sets as data sets: one tag, sizes, boxes, masks, and what is refused before training."""

import inspect

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import write_mask
from wsss.datasets import DATASETS, LocalizationDataSet, build_dataset
from wsss.datasets.located_check import examine
from wsss.errors import ConfigError, DataError
from wsss.paths import PROJECT_ROOT

IDS = {"train": ("dogs/1.jpg", "cats/2.jpg"), "val": ("dogs/3.jpg",)}


def write_images(root):
    for ids in IDS.values():
        for image_id in ids:
            (root / image_id).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (30, 20)).save(root / image_id)


def write_metadata(folder, *, sizes=True, places="{id},1,2,10,12\n"):
    label = {"dogs": 0, "cats": 1}
    for split, ids in IDS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        rows = {
            "image_ids": "{id}\n",
            "class_labels": "{id},{label}\n",
            **({"image_sizes": "{id},30,20\n"} if sizes else {}),
            **({"localization": places} if split == "val" else {}),
        }
        for name, row in rows.items():
            text = "".join(row.format(id=one, label=label[one.split("/")[0]]) for one in ids)
            (folder / split / f"{name}.txt").write_text(text)


@pytest.fixture
def root(tmp_path):
    write_images(tmp_path)
    write_metadata(tmp_path / "metadata")
    return tmp_path


@pytest.mark.parametrize("preset", ["cub", "ilsvrc", "openimages", "voc_boxes", "demo_boxes"])
def test_presets_name_every_setting_and_no_other(preset):
    settings = Config.fromfile(PROJECT_ROOT / "configs" / "_base_" / f"{preset}.py").dataset
    known = set(inspect.signature(DATASETS[settings.type]).parameters)
    assert set(settings) == {*known, "type", "train_split", "val_split"}
    assert settings.name == preset


def test_what_stages_see(root):
    dataset = build_dataset({"type": "wsol", "root": root, "train_split": "train", "val_split": "val"})
    assert isinstance(dataset, LocalizationDataSet)
    assert (dataset.splits, dataset.classes) == (("train", "val"), ("dogs", "cats"))
    assert [dataset.tags(one) for one in dataset.ids("train")] == [(1,), (2,)]
    assert dataset.image_path("dogs/1.jpg") == root.resolve() / "dogs/1.jpg"
    assert dataset.size("dogs/1.jpg") == (20, 30)
    assert dataset.boxes("dogs/3.jpg").tolist() == [[1, 2, 10, 12]]
    assert dataset.boxes("dogs/1.jpg").shape == (0, 4)
    assert dataset.mask_path("dogs/3.jpg") is None
    for split in ("train", "val"):
        dataset.check(split)
        assert len(dataset.fingerprint(split)) == 64


def test_an_image_is_found_before_its_split_was_asked_for(root):
    assert LocalizationDataSet(root).tags("cats/2.jpg") == (2,)
    with pytest.raises(DataError, match=r"expected an image of wsol, got 'x.jpg'"):
        LocalizationDataSet(root).tags("x.jpg")


def test_sizes_come_from_the_files_where_no_list_tells(root):
    for file in (root / "metadata").glob("*/image_sizes.txt"):
        file.unlink()
    dataset = LocalizationDataSet(root)
    assert dataset.size("dogs/1.jpg") == (20, 30)
    (root / "dogs/1.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"expected an image at .*dogs/1.jpg, got"):
        dataset.size("dogs/1.jpg")


def test_masks_of_instances(root):
    write_metadata(root / "metadata", places="{id},m1.png,i.png\n{id},m2.png,\n")
    first, second, ignored = (np.zeros((20, 30), np.uint8) for _ in range(3))
    first[:, :10], second[:, 5:15], ignored[:, 10:20] = 1, 255, 51
    for name, pixels in (("m1", first), ("m2", second), ("i", ignored)):
        Image.fromarray(pixels).save(root / f"{name}.png")
    dataset = LocalizationDataSet(root)
    mask = dataset.object_mask("dogs/3.jpg")
    assert mask.dtype == np.uint8
    # Any instance is the object; of the ignored pixels only what no instance has is ignored.
    assert mask[7].tolist() == [1] * 15 + [255] * 5 + [0] * 10
    small = dataset.object_mask("dogs/3.jpg", size=(2, 6))
    assert small.tolist() == [[1, 1, 1, 255, 0, 0]] * 2
    # Masks may have another size than the image.
    Image.fromarray(np.ones((1, 1), np.uint8)).save(root / "m2.png")
    assert (dataset.object_mask("dogs/3.jpg") == 1).all()
    (root / "m1.png").unlink()
    with pytest.raises(DataError, match=r"expected a mask at .*m1.png"):
        dataset.object_mask("dogs/3.jpg")


def test_label_maps(root):
    labels = np.zeros((20, 30), np.uint8)
    labels[:, :10], labels[:, 10:20], labels[:, 29] = 1, 2, 255
    write_mask(root / "labels" / "dogs" / "3.png", labels)
    dataset = LocalizationDataSet(root, masks=root / "labels")
    assert dataset.mask_path("dogs/3.jpg") == root / "labels/dogs/3.png"
    np.testing.assert_array_equal(dataset.truth("dogs/3.jpg"), labels)
    # Another class is not this image's object.
    assert dataset.object_mask("dogs/3.jpg")[0].tolist() == [1] * 10 + [0] * 19 + [255]
    assert not dataset.has_masks("dogs/1.jpg")
    with pytest.raises(DataError, match=r"expected masks for dogs/1.jpg, found none"):
        dataset.object_mask("dogs/1.jpg")


def test_lists_of_cub_find_their_images(tmp_path):
    write_images(tmp_path / "images")
    rows = {
        "images": "1 dogs/1.jpg\n2 cats/2.jpg\n3 dogs/3.jpg\n",
        "image_class_labels": "1 1\n2 2\n3 1\n",
        "train_test_split": "1 1\n2 1\n3 0\n",
        "bounding_boxes": "1 0.0 0.0 30.0 20.0\n2 1.0 1.0 5.0 5.0\n3 2.0 2.0 5.0 5.0\n",
        "classes": "1 001.dog\n2 002.cat\n",
    }
    for name, text in rows.items():
        (tmp_path / f"{name}.txt").write_text(text)
    dataset = LocalizationDataSet(tmp_path, layout="cub", counts={"train": 2}, name="cub")
    assert (dataset.ids("train"), dataset.classes) == (IDS["train"], ("001.dog", "002.cat"))
    dataset.check("train")
    assert dataset.boxes("dogs/1.jpg").tolist() == [[0, 0, 30, 20]]
    assert dataset.size("dogs/3.jpg") == (20, 30)


@pytest.mark.parametrize(
    "box", ["-1,2,10,12", "1,2,32,12", "1,2,10,22", "30,2,30,12", "10,2,1,12", "1,12,10,2"]
)
def test_a_box_outside_its_image_is_named(root, box):
    write_metadata(root / "metadata", places=f"{{id}},1,2,10,12\n{{id}},{box}\n")
    words = box.replace(",", " ")
    message = (
        rf"inside their images in split val .*, got others for 1: dogs/3.jpg \({words} in 30 x 20 pixels\)"
    )
    with pytest.raises(DataError, match=message):
        LocalizationDataSet(root).check("val")
    LocalizationDataSet(root, check_boxes=False).check("val")


def test_a_box_may_end_at_the_border(root):
    write_metadata(root / "metadata", places="{id},0,0,29,19\n{id},0,0,30,20\n{id},0,0,31,21\n")
    LocalizationDataSet(root).check("val")


def test_a_class_without_images_is_named_before_training(root):
    dataset = LocalizationDataSet(root, classes=("dogs", "cats", "birds"))
    with pytest.raises(
        DataError, match=r"images of all 3 classes in split train of wsol, got none of 1: birds: add images"
    ):
        dataset.check("train")
    dataset.check("val")  # scoring can do without
    (root / "metadata" / "classes.txt").write_text("dogs\n")
    with pytest.raises(
        DataError, match=r"tags from 1 to 1 in split train of wsol, got others for 1: cats/2.jpg"
    ):
        LocalizationDataSet(root).check("train")


def test_absent_images_and_lists_are_named(root):
    (root / "cats" / "2.jpg").unlink()
    with pytest.raises(
        DataError, match=r"expected the 2 images of split train of wsol below .*, missing 1: cats/2"
    ):
        LocalizationDataSet(root).ids("train")
    with pytest.raises(DataError, match=r"expected a split out of train, val of wsol, got 'test'"):
        LocalizationDataSet(root).ids("test")
    with pytest.raises(DataError, match=r"expected 5 images in split val of wsol, got 1"):
        LocalizationDataSet(root, counts={"val": 5}).ids("val")
    with pytest.raises(
        DataError, match=r"lists of data set cub \(layout cub\) in .*, found none: .*wsss data cub"
    ):
        LocalizationDataSet(root, layout="cub", name="cub")
    with pytest.raises(ConfigError, match=r"dataset.layout out of wsol, cub, openimages, got 'voc'"):
        LocalizationDataSet(root, layout="voc")


def test_classes_without_folders_are_numbered(root):
    (root / "metadata" / "train" / "class_labels.txt").write_text("dogs/1.jpg,0\ncats/2.jpg,0\n")
    assert LocalizationDataSet(root).classes == ("class 1",)


def test_the_examination_tells_what_is_missing(root):
    dataset = LocalizationDataSet(root)
    rows = examine(dataset, counts={"train": 2, "test": 9}, wanted=("train", "val"))
    assert list(rows) == ["train", "val", "test"]
    assert rows["train"] == {
        "images": 2,
        "expected": 2,
        "images_missing": 0,
        "with_boxes": 0,
        "with_masks": 0,
        "masks_missing": 0,
        "problems": [],
    }
    assert (rows["val"]["with_boxes"], rows["val"]["problems"]) == (1, [])
    assert rows["test"]["problems"] == [f"no lists in {dataset.metadata}: add them"]
    (root / "dogs" / "3.jpg").unlink()
    write_metadata(root / "metadata", places="{id},m1.png,i.png\n")
    (problem, other) = examine(LocalizationDataSet(root), counts={}, wanted=())["val"]["problems"]
    assert "images are missing below" in problem
    assert "masks are missing, 2: " in other
    (root / "metadata" / "val" / "localization.txt").unlink()
    problems = examine(LocalizationDataSet(root), counts={"val": 3}, wanted=())["val"]["problems"]
    assert "1 images listed in place of 3: use the official lists" in problems
    assert "neither boxes nor masks: nothing can be scored on it" in problems
