"""Scores of seeds and score maps on a localisation set made by hand."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import MANIFEST, SCHEMA, grid_of, open_artifact, write_json, write_mask, write_seed
from wsss.cli.evaluate_boxes import fixed_threshold
from wsss.datasets import LocalizationDataSet
from wsss.errors import DataError
from wsss.evaluate_boxes import file_reader, score_boxes, seed_reader
from wsss.localization import GRID
from wsss.thresholds import Threshold

SIZE = (48, 64)
BOXES = {"a/1.jpg": (8, 8, 31, 31), "b/2.jpg": (16, 0, 63, 47)}
HALF = Threshold(0.5, "command line")


def inside(box, size=SIZE, grid=None):
    """1 inside a box of an image, on another grid of it."""
    height, width = grid or size
    rows = (np.arange(height) + 0.5) * size[0] / height - 0.5
    columns = (np.arange(width) + 0.5) * size[1] / width - 0.5
    x0, y0, x1, y1 = box
    across = (columns >= x0 - 0.5) & (columns <= x1 + 0.5)
    return (((rows >= y0 - 0.5) & (rows <= y1 + 0.5))[:, None] & across).astype(np.float32)


@pytest.fixture
def root(tmp_path):
    for image_id, box in BOXES.items():
        path = tmp_path / image_id
        path.parent.mkdir()
        Image.new("RGB", SIZE[::-1]).save(path)
        label = 1 + "ab".index(image_id[0])
        write_mask(
            tmp_path / "masks" / image_id.replace(".jpg", ".png"), label * inside(box).astype(np.uint8)
        )
    folder = tmp_path / "metadata" / "val"
    folder.mkdir(parents=True)
    rows = {
        "image_ids": "{0}\n",
        "class_labels": "{0},{1}\n",
        "image_sizes": "{0},64,48\n",
        "localization": "{0},{2[0]},{2[1]},{2[2]},{2[3]}\n",
    }
    for name, row in rows.items():
        text = "".join(row.format(one, "ab".index(one[0]), box) for one, box in BOXES.items())
        (folder / f"{name}.txt").write_text(text)
    return tmp_path


@pytest.fixture
def dataset(root):
    return LocalizationDataSet(root, masks=root / "masks", classes=("ant", "bee"))


def publish(folder, boxes, *, classes=("ant", "bee"), stem=False, split="val", size=SIZE, **more):
    """Seeds that are 1 inside a box of each image."""
    ids = []
    for image_id, box in boxes.items():
        ids.append(image_id.removesuffix(".jpg") if stem else image_id)
        label = classes.index({"a": "ant", "b": "bee"}[image_id[0]]) + 1
        extra = {key: value[image_id] for key, value in more.items()}
        maps = inside(box, size, grid_of(size))[None]
        if "foreground" in extra:
            label, maps = [], np.zeros((0, *grid_of(size)))
        write_seed(folder / f"{ids[-1]}.npz", classes=np.ravel([label]), maps=maps, size=size, **extra)
    manifest = {"schema": SCHEMA, "kind": "seeds", "split": split, "image_ids": ids, "key": "k"}
    write_json(folder / MANIFEST, manifest | {"classes": list(classes)})
    return open_artifact(folder)


def scored(dataset, artifact, **more):
    read = seed_reader(artifact, dataset, dataset.ids("val"))
    return score_boxes(read, dataset, "val", threshold=HALF, **more)


def rows_of(scores):
    return {row["rule"]: row for row in scores.rows()}


def test_seeds_that_are_the_boxes_find_all(dataset, root):
    scores = scored(dataset, publish(root / "seeds", BOXES))
    rows = rows_of(scores)
    assert scores.images == scores.with_masks == 2
    for name in ("largest contour", "all contours", "largest component (BAS)"):
        assert rows[name]["mean"] == 100
        assert (rows[name]["threshold"], rows[name]["chosen_by"]) == (0.5, "command line")
    for name in ("largest contour (MaxBoxAcc)", "all contours (MaxBoxAccV2)"):
        assert rows[name]["mean"] == 100
        assert rows[name]["chosen_by"] == "oracle, val"
        assert len(rows[name]["threshold"]) == 3
        assert rows[name]["top1"] is None
    # Boxes of 576 and 2,304 of 3,072 pixels: IoU .19 and .75 with the whole image.
    assert rows["baseline: the whole image"]["iou_70"] == 50
    assert rows["baseline: the whole image"]["chosen_by"] == ""
    assert rows["baseline: middle, best size"]["chosen_by"] == "oracle, val"
    figures = scores.figures()
    assert figures["pixels"]["PxAP"] > 99
    assert figures["pixels"]["chosen_by"] == "oracle, val"
    json.dumps(figures)


def test_the_fixed_threshold_is_one_point_of_the_curve(dataset, root):
    shifted = {"a/1.jpg": (8, 8, 31, 31), "b/2.jpg": (0, 0, 30, 20)}
    scores = scored(dataset, publish(root / "seeds", shifted), step=0.1)
    rows, curve = rows_of(scores), scores.curve()
    assert [row["threshold"] for row in curve] == [round(0.1 * one, 1) for one in range(10)]
    assert curve[5]["v1_50"] == rows["largest contour"]["iou_50"] == 50
    assert curve[5]["v2_50"] == rows["all contours"]["iou_50"] == 50


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"settings": {"infer.threshold": 0.1}}, Threshold(0.1, "settings of the seeds")),
        (
            {
                "settings": {"infer.threshold": "tags"},
                "thresholds": {"seed_fixed": {"value": 0.4, "chosen_by": "tags"}},
            },
            Threshold(0.4, "tags"),
        ),
        ({}, Threshold(0.5, "default")),
    ],
)
def test_seeds_bring_their_fixed_threshold(root, manifest, expected):
    artifact = publish(root / "seeds", BOXES)
    assert fixed_threshold(dataclasses.replace(artifact, manifest=artifact.manifest | manifest)) == expected


def test_score_maps_have_no_threshold_of_their_own():
    assert fixed_threshold(None) == Threshold(0.5, "default")


def test_logits_tell_whether_the_class_is_right(dataset, root):
    logits = {"a/1.jpg": np.array([2.0, 1.0]), "b/2.jpg": np.array([2.0, 1.0])}
    rows = rows_of(scored(dataset, publish(root / "seeds", BOXES, logits=logits)))
    for name in ("largest contour (MaxBoxAcc)", "largest component (BAS)"):
        assert (rows[name]["iou_50"], rows[name]["top1"], rows[name]["top5"]) == (100, 50, 100)


def test_seeds_of_a_segmentation_set_are_found_by_stem_and_name(dataset, root):
    artifact = publish(root / "seeds", BOXES, classes=("bee", "cat", "ant"), stem=True, split="train")
    assert rows_of(scored(dataset, artifact))["largest contour"]["mean"] == 100


def test_a_class_agnostic_map_takes_the_place_of_the_class(dataset, root):
    maps = {one: inside(box, SIZE, grid_of(SIZE)) for one, box in BOXES.items()}
    assert (
        rows_of(scored(dataset, publish(root / "seeds", BOXES, foreground=maps)))["largest contour"]["mean"]
        == 100
    )


def test_a_border_that_the_method_draws_needs_no_threshold(dataset, root):
    """Values rise from the box on to the left edge: no threshold gives the box, the border does."""
    artifact = publish(root / "seeds", BOXES)
    for image_id, box in BOXES.items():
        within = inside(box, grid=grid_of(SIZE))
        slope = np.linspace(1, 0.1, within.shape[1])
        write_seed(
            artifact.file(image_id),
            classes=np.array([1 + "ab".index(image_id[0])]),
            maps=(within * slope)[None],
            size=SIZE,
            outside=((1 - within) * slope)[None],
        )
    read = seed_reader(artifact, dataset, dataset.ids("val"))
    rows = {row["rule"]: row for row in score_boxes(read, dataset, "val", threshold=HALF).rows()}
    drawn = rows["border of the method, largest component"]
    assert (drawn["iou_70"], drawn["threshold"], drawn["chosen_by"]) == (100, None, "")
    plain = seed_reader(publish(root / "plain", BOXES), dataset, dataset.ids("val"))
    rules = {row["rule"] for row in score_boxes(plain, dataset, "val", threshold=HALF).rows()}
    assert "border of the method, largest component" not in rules


def test_an_image_without_a_map_of_its_class_is_not_found(dataset, root):
    artifact = publish(root / "seeds", BOXES)
    write_seed(artifact.file("a/1.jpg"), classes=np.array([2]), maps=np.ones((1, *grid_of(SIZE))), size=SIZE)
    rows = rows_of(scored(dataset, artifact))
    assert rows["largest contour (MaxBoxAcc)"]["iou_30"] == 50
    # BAS takes the whole image where nothing is above the threshold.
    assert rows["largest component (BAS)"]["iou_30"] == 50


def test_seeds_that_do_not_fit_are_named(dataset, root):
    with pytest.raises(
        DataError, match=r"expected seeds for 2 images in .*, missing 1: b/2.jpg: .*split val"
    ):
        scored(dataset, publish(root / "one", {"a/1.jpg": BOXES["a/1.jpg"]}))
    artifact = publish(root / "bees", {"b/2.jpg": BOXES["b/2.jpg"]}, classes=("bee",))
    with pytest.raises(DataError, match=r"of all classes of wsol in .*bees, missing 1: ant"):
        seed_reader(artifact, dataset, ["b/2.jpg"])
    artifact = publish(root / "small", BOXES, size=(24, 32))
    with pytest.raises(DataError, match=r"expected a seed of size \(48, 64\), got \(24, 32\) for a/1.jpg"):
        scored(dataset, artifact)


def save(folder, maps):
    for image_id, score_map in maps.items():
        (folder / image_id).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / image_id, score_map)


def test_score_maps_of_the_grid_are_taken_as_they_are(dataset, root):
    # Stretching would make both peaks 1 and cross the threshold of BAS's rule.
    save(root / "maps", {one: 0.4 * inside(box, SIZE, GRID) for one, box in BOXES.items()})
    read = file_reader(root / "maps", dataset.ids("val"))
    rows = rows_of(score_boxes(read, dataset, "val", threshold=HALF))
    assert rows["largest contour"]["iou_50"] == 100  # a share of the maximum
    assert rows["largest component (BAS)"]["iou_50"] == 50  # above .5 itself: the whole image
    # Others are enlarged and stretched.
    save(root / "small", {one: 0.4 * inside(box, SIZE, (24, 32)) for one, box in BOXES.items()})
    read = file_reader(root / "small", dataset.ids("val"))
    assert (
        rows_of(score_boxes(read, dataset, "val", threshold=HALF))["largest component (BAS)"]["iou_50"] == 100
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            np.full((3, 3), np.nan),
            r"floats in \[0, 1\] at .*, got float64 \(3, 3\), nan to nan: normalize it",
        ),
        (np.full((3, 3), 1.5), r"got float64 \(3, 3\), 1.5 to 1.5"),
        (np.zeros((3, 3), int), r"got int64 \(3, 3\): normalize it"),
        (np.zeros((1, 3, 3)), r"got float64 \(1, 3, 3\)"),
        (np.array([{"cam": 1}], object), r"expected a .npy of a score map at .*1.jpg.npy, got"),
    ],
)
def test_other_score_maps_are_named(dataset, root, content, message):
    save(root / "maps", {"a/1.jpg": content, "b/2.jpg": np.zeros(GRID)})
    read = file_reader(root / "maps", dataset.ids("val"))
    with pytest.raises(DataError, match=message):
        read("a/1.jpg")


def test_missing_score_maps_are_named(dataset, root):
    save(root / "maps", {"a/1.jpg": np.zeros(GRID)})
    with pytest.raises(DataError, match=r"ID.npy for each of 2 images in .*, missing 1: b/2.jpg: np.save"):
        file_reader(root / "maps", dataset.ids("val"))


def test_a_split_without_boxes_and_masks_is_refused(root):
    (root / "metadata" / "val" / "localization.txt").unlink()
    dataset = LocalizationDataSet(root)
    with pytest.raises(
        DataError, match=r"expected boxes or masks for images of split val of wsol, found none"
    ):
        score_boxes(lambda _: None, dataset, "val", threshold=HALF)
    # Masks alone give pixels alone.
    dataset = LocalizationDataSet(root, masks=root / "masks", classes=("ant", "bee"))
    scores = scored(dataset, publish(root / "seeds", BOXES))
    assert (scores.rows(), scores.curve()) == ([], [])
    assert set(scores.figures()) == {"images", "split", "boxes", "pixels"}
