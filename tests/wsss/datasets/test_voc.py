import pickle
import re

import numpy as np
import pytest

from wsss.artifacts import write_mask
from wsss.datasets import VOC_CLASSES, VocDataSet, build_dataset
from wsss.errors import ArtifactError, DataError
from wsss.evaluate import evaluate_masks
from wsss.paths import PROJECT_ROOT

VOC_MINI = {
    "type": "voc",
    "root": "../shared/data/voc_mini/VOC2012",
    "labels": "../shared/data/voc_lists/cls_labels.npy",
}


def test_the_class_names_are_those_of_voc_in_its_order():
    assert len(VOC_CLASSES) == 20
    assert (VOC_CLASSES[0], VOC_CLASSES[7], VOC_CLASSES[14], VOC_CLASSES[19]) == (
        "aeroplane",
        "cat",
        "person",
        "tvmonitor",
    )
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)


def test_ids_keep_the_order_of_the_list(voc):
    voc.write_list("train", "2007_000002\n2007_000001\n")

    assert VocDataSet(voc.root).ids("train") == ("2007_000002", "2007_000001")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2007_000001\r\n2007_000002\r\n", id="crlf"),
        pytest.param("2007_000001  \n\t2007_000002", id="spaces-and-no-last-line-break"),
        pytest.param("\ufeff2007_000001\n2007_000002\n", id="byte-order-mark"),
    ],
)
def test_ids_of_untidy_lists(voc, text):
    voc.write_list("train", text)

    assert VocDataSet(voc.root).ids("train") == ("2007_000001", "2007_000002")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", r"expected image ids, one a line, in .*train\.txt, got an empty file", id="empty"),
        pytest.param(
            "2007_000001\n\n", r"in line 2 of .*train\.txt, got an empty line: take it out", id="gap"
        ),
        pytest.param(
            "a\nb\na\n", r"expected each image id once in .*train\.txt, got more of 1: a:", id="twice"
        ),
        pytest.param(
            "../../etc/passwd\n", r"relative to its folder in line 1 of .*got '\.\./\.\./etc", id="up"
        ),
        pytest.param(
            "/etc/passwd\n", r"relative to its folder in line 1 of .*got '/etc/passwd'", id="absolute"
        ),
    ],
)
def test_faulty_lists_are_refused(voc, text, message):
    voc.write_list("train", text)

    with pytest.raises(DataError, match=message):
        VocDataSet(voc.root).ids("train")


def test_a_list_that_is_not_text_is_refused(voc):
    (voc.root / "ImageSets" / "Segmentation" / "train.txt").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(DataError, match=r"expected a list of image ids at .*train\.txt, got: .*decode"):
        VocDataSet(voc.root).ids("train")


def test_an_absent_list_is_named(voc):
    with pytest.raises(DataError, match=r"expected a list .*Segmentation/train_aug\.txt, found no file"):
        VocDataSet(voc.root).ids("train_aug")


def test_missing_images_are_counted_and_the_first_five_named(voc):
    voc.write_list("train", "".join(f"gone_{number}\n" for number in range(7)) + "2007_000001\n")

    with pytest.raises(DataError) as caught:
        VocDataSet(voc.root).ids("train")

    message = str(caught.value)
    assert "expected the 8 images of split train of voc, missing 7: " in message
    assert re.findall(r"JPEGImages/(gone_\d)\.jpg", message) == [f"gone_{number}" for number in range(5)]
    assert "\n" not in message


def test_a_list_of_another_length_than_expected_is_refused(voc):
    dataset = VocDataSet(voc.root, counts={"train": 1464})

    with pytest.raises(
        DataError, match=r"expected 1464 images in split train of voc, got 2 in .*counts\.train"
    ):
        dataset.ids("train")


def test_counts_of_other_splits_do_not_matter(voc):
    assert len(VocDataSet(voc.root, counts={"val": 1449}).ids("train")) == 2


@pytest.mark.parametrize("folder", ["JPEGImages", "ImageSets"])
def test_a_folder_of_another_layout_is_refused(tmp_path, folder):
    (tmp_path / folder).mkdir()

    with pytest.raises(DataError, match=r"expected the folder \S+ of data set voc in .*: put the data there"):
        VocDataSet(tmp_path)


def test_ids_may_hold_folders_and_spaces(voc):
    voc.write_list("train", "a/b 1\n")
    voc.write_image("a/b 1")
    dataset = VocDataSet(voc.root)

    assert dataset.ids("train") == ("a/b 1",)
    assert dataset.image_path("a/b 1") == voc.root / "JPEGImages" / "a" / "b 1.jpg"


def test_tags_from_xml_are_sorted_labels_each_once(voc):
    voc.write_annotation("2007_000001", "person", "cat", "person")

    assert VocDataSet(voc.root).tags("2007_000001") == (8, 15)


def test_difficult_objects_count_and_parts_do_not(voc):
    voc.write_annotation("2007_000001", "person", difficult=1, part="head")

    assert VocDataSet(voc.root).tags("2007_000001") == (15,)


def test_an_image_without_annotation_has_no_tags(voc):
    assert VocDataSet(voc.root).tags("2007_000002") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("<annotation><obj", r"expected VOC's XML at .*2007_000001\.xml, got: ", id="cut-off"),
        pytest.param(
            "<annotation><object><name>yeti</name></object></annotation>",
            r"objects of the 20 classes of voc in .*2007_000001\.xml, got 1: yeti: correct",
            id="unknown-class",
        ),
    ],
)
def test_faulty_annotations_are_refused(voc, text, message):
    voc.write_annotation("2007_000001")
    (voc.root / "Annotations" / "2007_000001.xml").write_text(text)

    with pytest.raises(DataError, match=message):
        VocDataSet(voc.root).tags("2007_000001")


def test_tags_from_a_labels_file_win_over_xml(voc):
    voc.write_annotation("2007_000001", "person")
    row = np.eye(20, dtype=np.float32)[2]
    np.save(voc.root / "cls_labels.npy", {2007000001: row})
    dataset = VocDataSet(voc.root, labels=voc.root / "cls_labels.npy")

    assert dataset.tags("2007_000001") == (3,)
    assert dataset.tags("2007_000002") == ()


def test_masks_of_sbd_win_over_those_of_voc(voc):
    voc.write_mask("2007_000001")
    assert VocDataSet(voc.root).mask_path("2007_000001") == voc.root / "SegmentationClass" / "2007_000001.png"

    voc.write_mask("2007_000001", "SegmentationClassAug")
    dataset = VocDataSet(voc.root)
    assert dataset.mask_path("2007_000001") == voc.root / "SegmentationClassAug" / "2007_000001.png"
    assert dataset.mask_path("2007_000002") is None


def test_there_are_no_masks_without_a_mask_folder(voc):
    assert VocDataSet(voc.root).mask_path("2007_000001") is None


def test_check_names_images_without_tags(voc):
    voc.write_annotation("2007_000001", "person")

    with pytest.raises(
        DataError, match=r"tags for all 2 images of split train of voc, got none for 1: 2007_000002:"
    ):
        VocDataSet(voc.root).check("train")


def test_check_passes_where_all_images_have_tags(voc):
    voc.write_annotation("2007_000001", "person")
    voc.write_annotation("2007_000002", "cat")

    VocDataSet(voc.root).check("train")


def test_fingerprint_sees_tags_order_and_image_sizes_but_no_paths(voc):
    voc.write_annotation("2007_000001", "person")
    first = VocDataSet(voc.root).fingerprint("train")
    assert re.fullmatch(r"[0-9a-f]{64}", first)

    moved = voc.root.rename(voc.root.parent / "elsewhere")
    assert VocDataSet(moved).fingerprint("train") == first

    voc.root = moved
    voc.write_annotation("2007_000001", "cat")
    retagged = VocDataSet(moved).fingerprint("train")
    voc.write_list("train", "2007_000002\n2007_000001\n")
    reordered = VocDataSet(moved).fingerprint("train")
    with voc.root.joinpath("JPEGImages", "2007_000001.jpg").open("ab") as stream:
        stream.write(b"more")
    resized = VocDataSet(moved).fingerprint("train")
    assert len({first, retagged, reordered, resized}) == 4


ANIMALS = ("dog", "cat")


def animals_of(voc):
    """Two classes of VOC in another order, and a mask with one that is left out."""
    stored = np.zeros((4, 6), np.uint8)
    stored[0], stored[1], stored[2], stored[3, :2] = 12, 8, 15, 255
    write_mask(voc.root / "SegmentationClassAug" / "2007_000001.png", stored)
    voc.write_annotation("2007_000001", "cat", "dog", "person")
    voc.write_annotation("2007_000002", "cat", "person")
    expected = np.zeros((4, 6), np.uint8)
    expected[0], expected[1], expected[2], expected[3, :2] = 1, 2, 255, 255
    return VocDataSet(voc.root, only=ANIMALS), expected


def test_part_of_the_classes_has_labels_of_its_own(voc):
    dataset, expected = animals_of(voc)
    assert dataset.classes == ANIMALS
    assert (dataset.tags("2007_000001"), dataset.tags("2007_000002")) == ((1, 2), (2,))
    assert dataset.truth("2007_000001", size=(4, 6)).tolist() == expected.tolist()
    sent = pickle.loads(pickle.dumps(dataset.truth_file("2007_000001")))
    assert sent.read().tolist() == expected.tolist()
    assert VocDataSet(voc.root).truth("2007_000001")[:, 5].tolist() == [12, 8, 15, 0]


def test_part_of_the_classes_is_scored_on_its_own_pixels_alone(voc):
    dataset, expected = animals_of(voc)
    # Right everywhere, and wrong where a class is left out.
    prediction = np.where(expected == 255, 1, expected)
    figures = evaluate_masks(lambda _: prediction, dataset, ["2007_000001"]).figures()
    assert figures["per_class_iou"] == {"background": 1.0, "dog": 1.0, "cat": 1.0}


def test_labels_that_no_stored_class_has_are_refused(voc):
    dataset, _ = animals_of(voc)
    write_mask(voc.root / "SegmentationClassAug" / "2007_000001.png", np.full((4, 6), 21))
    with pytest.raises(ArtifactError, match=r"expected mask values 0\.\.20 or 255, got \[21\] at"):
        dataset.truth("2007_000001")
    with pytest.raises(ArtifactError, match=r"expected a mask of size \(4, 7\), got \(4, 6\)"):
        dataset.truth("2007_000001", size=(4, 7))
    with pytest.raises(DataError, match="expected ground truth for 2007_000002, found none: leave it out"):
        dataset.truth("2007_000002")


def test_a_class_that_is_not_there_or_named_twice_is_refused(voc):
    for only, shown in ((("cat", "lion"), r"\['lion'\]"), (("cat", "cat"), r"\['cat', 'cat'\]")):
        with pytest.raises(DataError, match=rf"in dataset\.only, got {shown}: correct the names"):
            VocDataSet(voc.root, only=only)


@pytest.mark.data
@pytest.mark.skipif(
    not (PROJECT_ROOT / VOC_MINI["root"]).is_dir(),
    reason="../shared/data/voc_mini is not beside this checkout",
)
def test_voc_mini_has_the_documented_counts_and_tags_everywhere():
    dataset = build_dataset(VOC_MINI)

    assert {split: len(dataset.ids(split)) for split in ("train", "train_aug", "val")} == {
        "train": 664,
        "train_aug": 1464,
        "val": 335,
    }
    assert set(dataset.ids("train")) < set(dataset.ids("train_aug"))
    for split in ("train", "train_aug", "val"):
        dataset.check(split)
        assert all(dataset.mask_path(image_id) is not None for image_id in dataset.ids(split))
    # 2007_000033 shows an aeroplane, 2007_000042 a train.
    assert (dataset.tags("2007_000033"), dataset.tags("2007_000042")) == ((1,), (19,))
