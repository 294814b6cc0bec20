"""COCO: annotations -> tags and ground truth, by hand and on real data."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from wsss.artifacts import read_mask
from wsss.config import load_dataset_settings
from wsss.datasets import CocoDataSet, build_dataset
from wsss.datasets.coco import mask_file, tags_file
from wsss.datasets.coco_build import build_coco, decode_segmentation, draw_objects, group_objects
from wsss.errors import ArtifactError, DataError
from wsss.paths import resolve_path

MINI = load_dataset_settings("coco_mini")


def box(x0, y0, x1, y1):
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def annotation(image_id, category_id, area, segmentation, **more):
    return {
        "id": 7, "image_id": image_id, "category_id": category_id, "area": area, "segmentation": segmentation,
        "iscrowd": 0, **more,
    }  # fmt: skip


def content():
    """Three images of 6 x 8, the last one empty; categories 1, 18 and 90, listed out of order."""
    return {
        "images": [
            {"id": number, "file_name": f"im{number}.jpg", "height": 6, "width": 8} for number in (2, 1, 3)
        ],
        "categories": [
            {"id": 90, "name": "toothbrush"},
            {"id": 1, "name": "person"},
            {"id": 18, "name": "dog"},
        ],
        "annotations": [
            annotation(1, 90, 4, box(1, 1, 3, 3)),
            annotation(1, 1, 24, box(0, 0, 6, 4)),
            # All of columns 4 to 7, as run lengths down the columns: 24 off, 24 on.
            annotation(1, 18, 24, {"size": [6, 8], "counts": [24, 24]}, iscrowd=1),
            annotation(2, 18, 4, box(0, 0, 2, 2)),
        ],
    }


@pytest.fixture
def root(tmp_path):
    """A whole data set; train and val hold the same."""
    root = tmp_path / "a root"
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (root / "annotations" / f"instances_{split}2014.json").write_text(json.dumps(content()))
        (root / f"{split}2014").mkdir()
        for number in (1, 2, 3):
            Image.new("RGB", (8, 6)).save(root / f"{split}2014" / f"im{number}.jpg")
    return root


def test_labels_follow_the_order_of_the_category_ids():
    classes, images, suffix = group_objects(content(), "json")
    assert (classes, suffix) == (["person", "dog", "toothbrush"], ".jpg")
    assert [image.image_id for image in images] == ["im1", "im2"]
    assert [one.label for one in images[0].objects] == [3, 1, 2]


def test_objects_are_drawn_over_crowds_and_small_ones_over_large_ones():
    _, images, _ = group_objects(content(), "json")
    expected = np.array(
        [
            [1, 1, 1, 1, 1, 1, 255, 255],
            [1, 3, 3, 1, 1, 1, 255, 255],
            [1, 3, 3, 1, 1, 1, 255, 255],
            [1, 1, 1, 1, 1, 1, 255, 255],
            [0, 0, 0, 0, 255, 255, 255, 255],
            [0, 0, 0, 0, 255, 255, 255, 255],
        ]
    )
    np.testing.assert_array_equal(draw_objects(images[0]), expected)


def test_every_form_of_segmentation_gives_the_same_pixels():
    shape = np.zeros((6, 8), np.uint8)
    shape[1:3, 1:3] = 1
    compressed = rle.encode(np.asfortranarray(shape))
    plain = {"size": [6, 8], "counts": [7, 2, 4, 2, 33]}
    text = {"size": [6, 8], "counts": compressed["counts"].decode()}
    for segmentation in (box(1, 1, 3, 3), compressed, plain, text):
        np.testing.assert_array_equal(decode_segmentation(segmentation, (6, 8)), shape.astype(bool))
    assert not decode_segmentation([[1.0, 1.0, 2.0, 2.0]], (6, 8)).any()


def test_a_built_data_set_is_read(root, tmp_path):
    labels = tmp_path / "built"
    for split in ("train", "val"):
        found = build_coco(root, labels=labels, split=split, num_workers=2)
    assert (found["images"], found["without_objects"], found["objects"], found["crowds"]) == (2, 1, 4, 1)
    assert found["images_per_class"] == {"person": 1, "dog": 2, "toothbrush": 1}
    assert found["tags_per_image"] == 2.0
    dataset = CocoDataSet(root, labels=labels, counts={"train": 2})
    assert dataset.classes == ("person", "dog", "toothbrush")
    assert dataset.ids("train") == ("im1", "im2")
    assert dataset.tags("im1") == (1, 2, 3)  # 2 is in the picture, though only as a crowd
    assert dataset.image_path("im2") == root / "train2014" / "im2.jpg"
    assert read_mask(dataset.mask_path("im2"), num_classes=3, size=(6, 8)).max() == 2
    dataset.check("train")


def test_a_build_continues_and_starts_anew_for_other_annotations(root):
    build_coco(root, labels=root, split="train", num_workers=1)
    kept, gone = (mask_file(root, "train", 2014, name) for name in ("im1", "im2"))
    before = kept.stat().st_mtime_ns
    gone.unlink()
    assert build_coco(root, labels=root, split="train", num_workers=1)["built"] == 1
    assert kept.stat().st_mtime_ns == before
    assert gone.is_file()
    # Killed half way: the tags are not written yet, only what the masks are being made of is noted.
    finished = tags_file(root, "train", 2014)
    finished.rename(finished.with_name(f"unfinished_{finished.name}"))
    assert build_coco(root, labels=root, split="train", num_workers=1)["built"] == 0
    source = root / "annotations" / "instances_train2014.json"
    source.write_text(source.read_text() + "\n")
    assert build_coco(root, labels=root, split="train", num_workers=1)["built"] == 2


def broken(change):
    one = content()
    change(one)
    return json.dumps(one)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"images": [', r"expected JSON in .*instances_train2014\.json", id="truncated"),
        pytest.param("[]", r"expected a list 'images' in .*use instances_\*\.json", id="no-dict"),
        pytest.param(broken(lambda one: one.pop("annotations")), "a list 'annotations'", id="captions"),
        pytest.param(broken(lambda one: one["annotations"][1].pop("area")), "not so in 1: 1", id="no-area"),
        pytest.param(
            broken(lambda one: one["annotations"][0].update(category_id=12)),
            "got image 1 and category 12 in annotation 7",
            id="unknown-category",
        ),
        pytest.param(
            broken(lambda one: one["images"][0].update(file_name="../../evil.jpg")),
            r"relative to its folder in .*got '\.\./\.\./evil'",
            id="leads-out",
        ),
        pytest.param(
            broken(lambda one: one["annotations"][2].update(segmentation={"size": [9, 9], "counts": [81]})),
            r"expected polygons or RLE for im1, got: RLE of size \(9, 9\)",
            id="size",
        ),
    ],
)  # fmt: skip
def test_broken_annotations_are_named(root, text, message):
    (root / "annotations" / "instances_train2014.json").write_text(text)
    with pytest.raises(DataError, match=message):
        build_coco(root, labels=root, split="train", num_workers=1)
    assert not tags_file(root, "train", 2014).exists()


def test_absent_annotations_say_what_to_fetch(root):
    with pytest.raises(
        DataError, match=r"instances_train2017\.json, found no file: unpack annotations_trainval"
    ):
        build_coco(root, labels=root, split="train", year=2017)


def test_an_output_that_cannot_be_written_is_named(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="expected a folder that can be written"):
        build_coco(root, labels=tmp_path / "file" / "below", split="train")


def test_what_is_not_built_or_missing_is_named(root):
    with pytest.raises(DataError, match=r"found none: build them with wsss data coco --root '.*a root'"):
        CocoDataSet(root)
    build_coco(root, labels=root, split="train", num_workers=1)
    with pytest.raises(DataError, match=r"a split out of train of coco, got 'val'.* wsss data coco"):
        CocoDataSet(root).ids("val")
    with pytest.raises(DataError, match=r"expected 82081 images in split train of coco, got 2"):
        CocoDataSet(root, counts={"train": 82081}).ids("train")
    with pytest.raises(DataError, match="expected an image of coco with objects, got 'im3'"):
        CocoDataSet(root).tags("im3")
    (root / "train2014" / "im2.jpg").unlink()
    with pytest.raises(DataError, match=r"missing 1: .*im2\.jpg: add train2014\.zip"):
        CocoDataSet(root).ids("train")
    tags_file(root, "train", 2014).write_text("{")
    with pytest.raises(DataError, match=r"expected JSON in .*tags_train2014\.json"):
        CocoDataSet(root)


def test_splits_of_two_releases_do_not_mix(root):
    build_coco(root, labels=root, split="train", num_workers=1)
    other = tags_file(root, "val", 2014)
    other.write_text(json.dumps({"classes": ["cat"], "suffix": ".jpg", "tags": {}}))
    with pytest.raises(DataError, match="expected the same classes in train and val"):
        CocoDataSet(root)


@pytest.mark.data
def test_real_annotations(tmp_path):
    root = resolve_path(MINI["root"])
    if not root.is_dir():
        pytest.skip("needs ../shared/data/coco_mini")
    found = [build_coco(root, labels=tmp_path, split=split) for split in ("train", "val")]
    assert [one["images"] for one in found] == [98, 100]
    dataset = build_dataset({**MINI, "labels": tmp_path})
    assert len(dataset.classes) == 80
    assert (dataset.classes[0], dataset.classes[79]) == ("person", "toothbrush")  # ids 1 and 90
    for image_id in dataset.ids("val")[:20]:
        with Image.open(dataset.image_path(image_id)) as image:
            mask = read_mask(dataset.mask_path(image_id), num_classes=80, size=image.size[::-1])
        # An object may be covered by smaller ones, but no label may come from nowhere.
        assert set(np.unique(mask)) - {0, 255} <= set(dataset.tags(image_id))
