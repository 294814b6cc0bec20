"""Every metric against values that the authors' code gave on 24 maps."""

from pathlib import Path

import numpy as np
import pytest

from wsss.localization import (
    GRID,
    BoxAccuracy,
    MaxBoxAccuracy,
    PixelScores,
    box_iou,
    boxes_at_threshold,
    center_crop_boxes,
    largest_component_box,
    normalize_score_map,
    normalize_then_enlarge,
    resize_boxes,
)

REFERENCE = Path(__file__).parents[2] / "reference" / "wsol_metrics.npz"


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(REFERENCE))


@pytest.fixture(scope="module")
def images(reference):
    """Map, true boxes, size (H, W) and mask of each image."""
    rows = []
    for index, (score_map, (width, height)) in enumerate(
        zip(reference["maps"], reference["image_size"], strict=True)
    ):
        boxes = reference["boxes"][reference["box_image"] == index]
        rows.append((score_map, boxes, (int(height), int(width)), reference["masks"][index]))
    return rows


def test_box_accuracy_at_each_threshold(reference, images):
    metric = MaxBoxAccuracy()
    for score_map, boxes, size, _ in images:
        metric.update(normalize_score_map(score_map, GRID), resize_boxes(boxes, size, GRID))
    # Counts of images: equal, not close.
    for variant, curves in metric.curves().items():
        for iou, curve in zip((30, 50, 70), curves, strict=True):
            np.testing.assert_array_equal(curve, reference[f"{variant}_curve_{iou}"])
        best = metric.compute()[variant]
        assert best.tolist() == [float(reference[f"{variant}_maxboxacc_{iou}"]) for iou in (30, 50, 70)]
        assert best.mean() == pytest.approx(float(reference[f"{variant}_mean"]), abs=1e-12)
    assert metric.compute()["v1"].mean() == pytest.approx(51.39, abs=0.005)
    assert metric.compute()["v2"].mean() == pytest.approx(55.56, abs=0.005)


def test_boxes_of_one_image(reference, images):
    score_map = normalize_score_map(images[0][0], GRID)
    found = [
        boxes_at_threshold(score_map, tau, contours="largest")[0].tolist() for tau in np.arange(0, 1, 0.01)
    ]
    assert found == reference["boxes_of_image0"].tolist()


def test_pixel_scores(reference, images):
    metric = PixelScores()
    for score_map, _, _, mask in images:
        metric.update(normalize_score_map(score_map, GRID), mask)
    found = metric.compute()
    # Sums of a thousand products in float64.
    assert found["PxAP"] == pytest.approx(float(reference["pxap"]), abs=1e-9)
    assert found["PIoU"] == pytest.approx(float(reference["piou"]), abs=1e-9)
    assert metric.peak()["Peak_IoU"] == found["PIoU"]


def test_bas_at_its_threshold(reference, images):
    metric = BoxAccuracy()
    for index, (score_map, boxes, size, _) in enumerate(images):
        box = largest_component_box(normalize_then_enlarge(score_map, GRID), threshold=0.1)
        truth = center_crop_boxes(boxes, size)
        assert list(box) == reference["bas_box_thr01"][index].tolist()
        assert box_iou(box, truth).max() == pytest.approx(float(reference["bas_iou_thr01"][index]), abs=1e-12)
        metric.update(box, truth)
    assert metric.compute()["gt_known"] == float(reference["bas_gt_known"]) == 12.5
