"""Boxes from VOC's masks: which images, which parts, and lists that other tools can read."""

import numpy as np
import pytest

from wsss.artifacts import read_mask, write_mask
from wsss.datasets import VocBoxesDataSet, build_dataset
from wsss.datasets.localization import LocalizationDataSet
from wsss.datasets.wsol_build import bounding_box, component_boxes
from wsss.errors import DataError
from wsss.localization import PixelScores
from wsss.paths import resolve_path

DOG, CAT, SOFA = 12, 8, 18


def draw(*parts, size=(20, 30)):
    """A label map of rectangles: (label, x0, y0, x1, y1), ends included."""
    mask = np.zeros(size, np.uint8)
    for label, x0, y0, x1, y1 in parts:
        mask[y0 : y1 + 1, x0 : x1 + 1] = label
    return mask


MASKS = {
    "dog": draw((255, 0, 0, 12, 12), (DOG, 2, 3, 10, 11)),
    "two_dogs": draw((DOG, 0, 0, 9, 9), (DOG, 15, 5, 24, 14), (DOG, 28, 18, 28, 18)),
    "cat": draw((CAT, 4, 4, 8, 8)),
    "dog_on_sofa": draw((SOFA, 0, 10, 29, 19), (DOG, 5, 5, 10, 12)),
    "nothing": draw(),
    "sofa": draw((SOFA, 1, 1, 2, 2)),
}


@pytest.fixture
def made(voc, tmp_path):
    voc.write_list("train", "dog\ncat\ndog_on_sofa\nnothing\n")
    voc.write_list("val", "two_dogs\nsofa\ncat\n")
    for image_id, mask in MASKS.items():
        voc.write_image(image_id)
        write_mask(voc.root / "SegmentationClass" / f"{image_id}.png", mask)
    return {"type": "voc_boxes", "root": tmp_path / "out", "images": voc.root, "splits": ("train", "val")}


def test_images_of_one_class_with_a_box_for_each_notable_part(made):
    dataset = build_dataset(made)
    assert isinstance(dataset, VocBoxesDataSet)
    # In VOC's order; sofas are in no image of one class of train.
    assert dataset.classes == ("cat", "dog")
    assert dataset.ids("train") == ("dog.jpg", "cat.jpg")
    assert dataset.ids("val") == ("two_dogs.jpg", "cat.jpg")
    assert dataset.tags("dog.jpg") == (2,)
    assert dataset.boxes("dog.jpg").tolist() == [[2, 3, 10, 11]]
    # One pixel of 201 is no dog.
    assert dataset.boxes("two_dogs.jpg").tolist() == [[0, 0, 9, 9], [15, 5, 24, 14]]
    assert dataset.size("dog.jpg") == (20, 30)
    assert dataset.image_path("dog.jpg").is_file()
    for split in ("train", "val"):
        dataset.check(split)


def test_masks_carry_the_labels_of_this_set(made, tmp_path):
    dataset = build_dataset(made)
    expected = np.where(MASKS["dog"] == DOG, 2, MASKS["dog"])
    np.testing.assert_array_equal(dataset.truth("dog.jpg"), expected)
    mask = dataset.object_mask("dog.jpg")
    np.testing.assert_array_equal(mask, np.where(expected == 2, 1, expected))
    # The lists of masks, for other tools, say the same.
    other = LocalizationDataSet(tmp_path / "out", metadata=tmp_path / "out" / "metadata_masks")
    for image_id in dataset.ids("val"):
        np.testing.assert_array_equal(other.object_mask(image_id), dataset.object_mask(image_id))
    assert other.classes == dataset.classes
    score_map = np.random.default_rng(0).random((20, 30))
    found = []
    for one in (dataset, other):
        metric = PixelScores()
        metric.update(score_map, one.object_mask("dog.jpg"))
        found.append(metric.compute())
    assert found[0] == found[1]


def test_the_lists_have_the_form_of_wsolevaluation(made, tmp_path):
    build_dataset(made)
    folder = tmp_path / "out" / "metadata" / "val"
    assert (folder / "image_ids.txt").read_text() == "two_dogs.jpg\ncat.jpg\n"
    assert (folder / "class_labels.txt").read_text() == "two_dogs.jpg,1\ncat.jpg,0\n"
    assert (folder / "image_sizes.txt").read_text() == "two_dogs.jpg,30,20\ncat.jpg,30,20\n"
    assert (folder / "localization.txt").read_text() == (
        "two_dogs.jpg,0,0,9,9\ntwo_dogs.jpg,15,5,24,14\ncat.jpg,4,4,8,8\n"
    )
    masks = tmp_path / "out" / "metadata_masks" / "val" / "localization.txt"
    assert masks.read_text().splitlines()[1] == "cat.jpg,objects/cat.png,ignored/cat.png"


def test_it_is_made_once_and_anew_for_other_lists(made, tmp_path, voc):
    build_dataset(made)
    before = (tmp_path / "out" / "masks" / "dog.png").stat().st_mtime_ns
    build_dataset(made)
    assert (tmp_path / "out" / "masks" / "dog.png").stat().st_mtime_ns == before
    voc.write_list("train", "dog\n")
    assert build_dataset(made).classes == ("dog",)
    with pytest.raises(DataError, match=r"expected 9 images in split train of voc_boxes, got 1"):
        build_dataset({**made, "counts": {"train": 9}}).ids("train")


def test_a_folder_of_something_else_is_left_alone(made, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    with pytest.raises(
        DataError, match=r"expected data set voc_boxes or no folder at .*out, got a folder without"
    ):
        build_dataset(made)
    assert (tmp_path / "out" / "precious").read_text() == "mine"


def test_parts_by_hand():
    pixels = draw((1, 0, 0, 4, 4), (1, 10, 0, 14, 1), (1, 20, 0, 20, 1)) > 0  # 25, 10 and 2 pixels
    assert component_boxes(pixels, least=0.1) == ((0, 0, 4, 4), (10, 0, 14, 1))
    assert len(component_boxes(pixels, least=0)) == 3
    assert component_boxes(pixels, least=1) == ((0, 0, 4, 4),)
    assert bounding_box(pixels) == (0, 0, 20, 4)
    corners = np.eye(3, dtype=bool)
    assert component_boxes(corners, least=0.1) == ((0, 0, 2, 2),)


@pytest.mark.data
def test_counts_on_voc_mini(tmp_path):
    root = resolve_path("../shared/data/voc_mini/VOC2012")
    if not root.is_dir():
        pytest.skip(f"no images at {root}")
    labels = resolve_path("../shared/data/voc_lists/cls_labels.npy")
    dataset = VocBoxesDataSet(tmp_path / "boxes", images=root, labels=labels, splits=("val", "train"))
    # With val first its classes count: 209 images of one class, bicycles among them.
    assert len(dataset.ids("val")) == 209
    mask = read_mask(tmp_path / "boxes" / "masks" / f"{dataset.ids('val')[0][:-4]}.png")
    assert set(np.unique(mask)) <= {0, 255, *dataset.tags(dataset.ids("val")[0])}
