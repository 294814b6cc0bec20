"""Masks at the door: what is counted, what is refused, and with which words."""

import numpy as np
import pytest

from segment.checks import LabelCheck, check_labels, refuse_wrong_masks
from segment.dataset import label_files
from wsss.artifacts import read_mask, write_mask
from wsss.datasets.base import LabelFile
from wsss.errors import ArtifactError


@pytest.fixture
def write(demo, tmp_path):
    """Write a mask for each training image, made from its ground truth, and check them."""

    def write_and_check(change):
        for image_id in demo.ids("train"):
            truth = read_mask(demo.mask_path(image_id)).copy()
            write_mask(tmp_path / f"{image_id}.png", change(truth))
        return check_labels(demo, label_files(demo, demo.ids("train"), tmp_path))

    return write_and_check


def erode(truth):
    """The ground truth with the upper half of its objects lost."""
    truth[: len(truth) // 2] = 0
    return truth


def with_rim(truth):
    truth[:3] = 255
    return truth


def test_share_of_ignored_pixels_is_a_mean_over_images(write):
    check = write(lambda truth: np.where(np.arange(len(truth))[:, None] < len(truth) // 4, 255, 0 * truth))
    assert check.images == 6
    # Heights are not all multiples of four.
    assert check.ignored == pytest.approx(0.25, abs=0.01)
    assert check.untagged == ()
    assert not check.is_ground_truth


@pytest.mark.parametrize("change", [lambda truth: truth, with_rim], ids=["itself", "with-ignored-rim"])
def test_ground_truth_is_known_and_refused(write, tmp_path, change):
    check = write(change)
    assert (check.identical, check.compared) == (6, 6)
    assert check.is_ground_truth
    with pytest.raises(ArtifactError, match=r"for 6 of 6 images: .*--allow-ground-truth"):
        refuse_wrong_masks(check, tmp_path, allow_ground_truth=False, allow_untagged=False)
    refuse_wrong_masks(check, tmp_path, allow_ground_truth=True, allow_untagged=False)


def test_masks_with_errors_pass(write, tmp_path):
    check = write(erode)
    assert check.compared == 6
    assert check.identical == 0
    refuse_wrong_masks(check, tmp_path, allow_ground_truth=False, allow_untagged=False)


def test_one_wrong_pixel_is_no_copy(write):
    def miss(truth):
        truth[0, 0] = 0 if truth[0, 0] else truth.max()
        return truth

    assert write(miss).identical == 0


def test_a_few_sure_pixels_are_no_copy(write):
    """Confident labels may be right wherever they say anything."""

    def sparse(truth):
        truth[:, truth.shape[1] // 2 :] = 255
        return truth

    assert write(sparse).identical == 0


def test_without_ground_truth_nothing_is_compared(write, demo, tmp_path, monkeypatch):
    write(lambda truth: truth)
    monkeypatch.setattr(type(demo), "mask_path", lambda self, image_id: None)
    check = check_labels(demo, label_files(demo, demo.ids("train"), tmp_path))
    assert check == LabelCheck(images=6, ignored=0.0, compared=0, identical=0, untagged=())
    assert not check.is_ground_truth


def test_classes_beyond_the_tags_are_named(demo, write, tmp_path):
    tags = {image_id: demo.tags(image_id) for image_id in demo.ids("train")}
    check = write(lambda truth: np.where(truth == 255, 255, truth % 6 + 1) * (truth > 0))
    wrong = [one for one, labels in tags.items() if not {label % 6 + 1 for label in labels} <= set(labels)]
    assert check.untagged == tuple(wrong)
    assert wrong
    with pytest.raises(ArtifactError, match=rf"got others in {len(wrong)}: {wrong[0]}.*allow_untagged=True"):
        refuse_wrong_masks(check, tmp_path, allow_ground_truth=False, allow_untagged=False)
    refuse_wrong_masks(check, tmp_path, allow_ground_truth=False, allow_untagged=True)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        pytest.param(np.zeros((5, 5)), r"expected a mask of size .* got \(5, 5\)", id="size"),
        pytest.param(None, r"expected mask values 0\.\.6 or 255, got \[7\]", id="value"),
    ],
)
def test_wrong_files_are_named(demo, tmp_path, mask, message):
    image_id = demo.ids("train")[3]
    shape = read_mask(demo.mask_path(image_id)).shape
    write_mask(tmp_path / f"{image_id}.png", np.full(shape, 7) if mask is None else mask)
    with pytest.raises(ArtifactError, match=rf"{message} at .*{image_id}"):
        check_labels(demo, {image_id: LabelFile(tmp_path / f"{image_id}.png", num_classes=6)})
