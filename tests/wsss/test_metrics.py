import numpy as np
import pytest
import torch

from wsss.metrics import (
    confusion_matrix,
    iou,
    mean_iou,
    mean_of_classes,
    pixel_accuracy,
    precision,
    recall,
)

TRUTH = np.array([[0, 0, 1, 1], [0, 255, 1, 3]], np.uint8)
PREDICTION = np.array([[0, 1, 1, 1], [0, 2, 0, 3]], np.uint8)


def test_confusion_matrix_by_hand():
    # 7 of the 8 pixels count (one is 255); label 2 occurs in neither: its only pixel is under the 255.
    expected = [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert confusion_matrix(PREDICTION, TRUTH, 3).tolist() == expected


def test_figures_by_hand():
    confusion = confusion_matrix(PREDICTION, TRUTH, 3)
    np.testing.assert_array_equal(iou(confusion), [2 / 4, 2 / 4, np.nan, 1.0])
    assert mean_iou(confusion) == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert pixel_accuracy(confusion) == pytest.approx(5 / 7)


def test_class_in_the_prediction_alone_counts_as_zero():
    confusion = confusion_matrix(np.array([2, 0]), np.array([0, 0]), 2)
    np.testing.assert_array_equal(iou(confusion), [0.5, np.nan, 0.0])
    assert mean_iou(confusion) == 0.25


def test_precision_and_recall_by_hand():
    truth = np.array([[0, 0, 0, 0, 1], [1, 1, 2, 255, 0]], np.uint8)
    prediction = np.array([[0, 0, 1, 3, 1], [0, 1, 0, 2, 0]], np.uint8)
    confusion = confusion_matrix(prediction, truth, 4)
    # Background: 5 pixels, 5 predicted, 3 right. 1: 3, 3, 2. 2: there once, never predicted (its only pixel
    # lies under the 255). 3: predicted once, never there. 4: neither.
    np.testing.assert_allclose(precision(confusion), [3 / 5, 2 / 3, 0, 0, np.nan])
    np.testing.assert_allclose(recall(confusion), [3 / 5, 2 / 3, 0, 0, np.nan])
    spilling = confusion_matrix(np.ones(8, int), np.array([1, 1, 0, 0, 0, 0, 0, 0]), 1)
    np.testing.assert_allclose(precision(spilling), [0, 2 / 8])
    np.testing.assert_allclose(recall(spilling), [0, 1])
    assert mean_of_classes(precision(confusion)) == pytest.approx((3 / 5 + 2 / 3) / 4)


@pytest.mark.parametrize("seed", range(5))
def test_iou_follows_from_precision_and_recall(seed):
    confusion = np.random.default_rng(seed).integers(1, 50, (5, 5))
    # IoU = 1 / (1 / precision + 1 / recall - 1), from their definitions.
    expected = 1 / (1 / precision(confusion) + 1 / recall(confusion) - 1)
    np.testing.assert_allclose(iou(confusion), expected)


def test_rows_are_truth_and_columns_prediction():
    assert confusion_matrix(np.array([2]), np.array([1]), 2)[1, 2] == 1


def test_one_matrix_over_all_images_is_no_mean_of_images():
    first = confusion_matrix(np.array([1, 1, 1, 1]), np.array([1, 1, 1, 1]), 1)
    second = confusion_matrix(np.array([0, 0]), np.array([1, 0]), 1)
    # Background 1 of 2; class 4 of 5. The mean over images would give (1 + (1/2 + 0) / 2) / 2.
    assert mean_iou(first + second) == pytest.approx((1 / 2 + 4 / 5) / 2)


def test_nothing_to_count_gives_nan():
    confusion = confusion_matrix(np.zeros((2, 2), int), np.full((2, 2), 255), 2)
    assert confusion.sum() == 0
    assert np.isnan(mean_iou(confusion))
    assert np.isnan(pixel_accuracy(confusion))


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_mmseg(seed):
    from mmseg.evaluation import IoUMetric

    rng = np.random.default_rng(seed)
    classes = 6
    metric = IoUMetric(iou_metrics=["mIoU"])
    metric.dataset_meta = {"classes": [str(label) for label in range(classes + 1)]}
    confusion = np.zeros((classes + 1, classes + 1), np.int64)
    areas = []
    # Labels from a few only, so that some classes are absent from the truth, the prediction, or both.
    true_labels, predicted_labels = rng.choice(7, 4, replace=False), rng.choice(7, 5, replace=False)
    for _ in range(3):
        truth = rng.choice([*true_labels, 255], size=(17, 23)).astype(np.uint8)
        prediction = np.where(
            rng.random(truth.shape) < 0.4, truth, rng.choice(predicted_labels, size=truth.shape)
        )
        prediction[prediction == 255] = predicted_labels[0]
        confusion += confusion_matrix(prediction, truth, classes)
        areas.append(
            metric.intersect_and_union(
                torch.from_numpy(prediction.astype(np.int64)),
                torch.from_numpy(truth.astype(np.int64)),
                7,
                255,
            )
        )
    intersection, union = (sum(area[index] for area in areas).numpy() for index in (0, 1))
    with np.errstate(invalid="ignore"):
        # mmseg counts in float32.
        np.testing.assert_allclose(iou(confusion), intersection / union, rtol=1e-6)
    # mmseg rounds the percentage to two decimals.
    assert 100 * mean_iou(confusion) == pytest.approx(metric.compute_metrics(areas)["mIoU"], abs=0.005001)


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        pytest.param(
            np.zeros((2, 2), int), np.zeros((2, 3), int), "of one shape, got (2, 2) and (2, 3)", id="shape"
        ),
        pytest.param(np.zeros(2), np.zeros(2, int), "integer labels as prediction, got float64", id="float"),
        pytest.param(np.array([4]), np.array([0]), "labels 0..3 as prediction, got 4", id="prediction-range"),
        pytest.param(np.array([0]), np.array([-1]), "labels 0..3 as truth, got -1", id="truth-range"),
        pytest.param(
            np.array([255]), np.array([0]), "what an ignored pixel of a prediction stands for", id="ignored"
        ),
    ],
)
def test_wrong_masks_are_refused(prediction, truth, message):
    with pytest.raises(ValueError, match=r"expected") as error:
        confusion_matrix(prediction, truth, 3)
    assert message in str(error.value)


def test_matrix_must_be_square():
    with pytest.raises(ValueError, match=r"confusion matrix \(C\+1, C\+1\), got shape \(2, 3\)"):
        iou(np.zeros((2, 3)))
