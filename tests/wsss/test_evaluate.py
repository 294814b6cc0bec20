"""The sweep in one pass against thresholding anew each time."""

import numpy as np
import pytest

from wsss.artifacts import (
    MANIFEST,
    SCHEMA,
    Seed,
    open_artifact,
    read_mask,
    write_json,
    write_mask,
    write_seed,
)
from wsss.errors import DataError
from wsss.evaluate import (
    THRESHOLDS,
    evaluate_masks,
    oracle,
    score_image_specific,
    sweep_rows,
    sweep_seeds,
)
from wsss.metrics import mean_iou


class Toy:
    """A data set of masks in a folder, with three classes."""

    classes = ("a", "b", "c")

    def __init__(self, root):
        self.root = root

    def mask_path(self, image_id):
        file = self.root / f"{image_id}.png"
        return file if file.is_file() else None

    def truth(self, image_id):
        return read_mask(self.mask_path(image_id))


@pytest.fixture
def toy(tmp_path):
    rng = np.random.default_rng(0)
    for image_id in ("x", "y"):
        write_mask(tmp_path / f"{image_id}.png", rng.choice([0, 1, 3, 255], size=(16, 20)))
    return Toy(tmp_path)


def seed_of(image_id):
    rng = np.random.default_rng(ord(image_id))
    return Seed(np.array([1, 3], np.uint8), rng.random((2, 4, 5), np.float32), (16, 20))


def thresholded(image_id, threshold):
    seed = seed_of(image_id)
    maps = np.concatenate([np.full((1, 16, 20), threshold, np.float32), seed.upsample()])
    return np.array([0, *seed.classes])[maps.argmax(axis=0)].astype(np.uint8)


def test_sweep_equals_argmax_against_each_threshold(toy):
    scores = sweep_seeds(seed_of, toy, ["x", "y"])
    for index in (0, 20, 49, 98):
        threshold = np.float32(THRESHOLDS[index])
        expected = evaluate_masks(lambda one, t=threshold: thresholded(one, t), toy, ["x", "y"])
        np.testing.assert_array_equal(scores[index].confusion, expected.confusion)


def test_oracle_says_that_ground_truth_chose(toy):
    scores = sweep_seeds(seed_of, toy, ["x", "y"])
    figures, threshold = oracle(scores, "train")
    assert threshold.chosen_by == "oracle, train"
    assert figures["mIoU"] == pytest.approx(max(mean_iou(one.confusion) for one in scores), abs=1e-6)


def test_figures_by_hand(tmp_path):
    write_mask(tmp_path / "x.png", np.array([[0, 0, 1, 255]]))
    figures = evaluate_masks(lambda _: np.array([[0, 1, 1, 1]], np.uint8), Toy(tmp_path), ["x"]).figures()
    assert figures["per_class_iou"] == {"background": 0.5, "a": 0.5, "b": None, "c": None}
    assert figures["mIoU"] == 0.5
    assert figures["per_class_precision"] == {"background": 1, "a": 0.5, "b": None, "c": None}
    assert figures["per_class_recall"] == {"background": 0.5, "a": 1, "b": None, "c": None}
    assert (figures["mean_precision"], figures["mean_recall"]) == (0.75, 0.75)
    assert figures["pixel_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["false_positive"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["false_negative"] == 0


def test_unsure_pixels_of_a_mask_count_as_background(tmp_path):
    write_mask(tmp_path / "x.png", np.array([[0, 1]]))
    figures = evaluate_masks(lambda _: np.array([[255, 255]], np.uint8), Toy(tmp_path), ["x"]).figures()
    assert figures["per_class_iou"]["background"] == 0.5


def test_images_without_ground_truth_are_left_out(toy):
    assert evaluate_masks(lambda _: np.zeros((16, 20), np.uint8), toy, ["x", "none"]).images == 1
    with pytest.raises(DataError, match="found none"):
        evaluate_masks(lambda _: np.zeros((16, 20), np.uint8), toy, ["none"])


def test_other_size_is_named(toy):
    with pytest.raises(DataError, match=r"size \(16, 20\), got \(2, 2\) for x"):
        evaluate_masks(lambda _: np.zeros((2, 2), np.uint8), toy, ["x"])


@pytest.fixture
def thresholded_seeds(tmp_path):
    """One image of two classes, half of the pixels each; every map is above its own threshold on its half."""
    write_mask(tmp_path / "x.png", np.repeat([[1, 2]], 8, axis=0).repeat(8, axis=1))
    maps = np.zeros((2, 2, 4))
    maps[0] = [0.3, 0.3, 0.1, 0.1]  # threshold .2
    maps[1] = [0.7, 0.7, 0.9, 0.9]  # threshold .8
    folder = tmp_path / "seeds"
    write_seed(
        folder / "x.npz",
        classes=np.array([1, 2]),
        maps=maps,
        size=(8, 16),
        thresholds=np.array([0.2, 0.8]),
    )
    manifest = {"schema": SCHEMA, "kind": "seeds", "split": "train", "image_ids": ["x"], "key": "k"}
    write_json(folder / MANIFEST, manifest)
    return open_artifact(folder), Toy(tmp_path)


def test_image_specific_thresholds_decide_between_maps(thresholded_seeds):
    artifact, toy = thresholded_seeds
    confusion = score_image_specific(artifact.file, toy, ["x"]).confusion
    # One threshold would give nearly all to the second class. Pixels beside the middle mix both halves.
    assert confusion[1, 1] >= 48
    assert confusion[2, 2] >= 48
    assert confusion.sum() == 128


def test_sweep_rows_say_who_chose(thresholded_seeds):
    rows = sweep_rows(*thresholded_seeds)
    assert [row["threshold"] for row in rows[:3]] == [0.0, 0.01, 0.02]
    oracles = [row for row in rows if row["chosen"] == "oracle, train"]
    assert len(oracles) == 1
    assert oracles[0]["mIoU"] == max(row["mIoU"] for row in rows[:-1])
    assert rows[-1]["threshold"] == "per map"
    assert rows[-1]["mIoU"] > oracles[0]["mIoU"]
