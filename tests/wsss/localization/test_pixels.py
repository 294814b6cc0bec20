"""PxAP and PIoU: by hand, and against numpy's histograms."""

import numpy as np
import pytest

from wsss.localization import PixelScores


def test_four_pixels_by_hand():
    metric = PixelScores(step=0.25)
    score_map = np.array([[0.1, 0.3, 0.6, 1.0, 0.9]])
    metric.update(score_map, np.array([[1, 0, 1, 1, 255]], np.uint8))
    # From above: 1.0 (precision 1, recall 1/3), .6 (1, 2/3), .3 (2/3, 2/3), .1 (3/4, 1).
    assert metric.compute()["PxAP"] == pytest.approx(100 * (1 + 1 + 3 / 4) / 3)
    # The same as sets: 1/3, 2/3, 2/4, 3/4.
    assert metric.compute()["PIoU"] == pytest.approx(75)
    thresholds, values = metric.iou_curve()
    np.testing.assert_allclose(thresholds, [0, 0.25, 0.5, 0.75, 1, 2])
    np.testing.assert_allclose(values, [75, 50, 200 / 3, 100 / 3, 100 / 3, 0])
    assert metric.peak() == {"Peak_T": 0, "Peak_IoU": 75}


def test_the_value_1_has_a_bin_of_its_own():
    # Recall jumps from nothing to all. Of the bins only the first has no area, that of 2 to 3.
    metric = PixelScores()
    metric.update(np.ones((2, 2)), np.array([[1, 1], [0, 0]], np.uint8))
    assert metric.compute() == {"PxAP": pytest.approx(50), "PIoU": pytest.approx(50)}
    assert metric.peak()["Peak_T"] == 0


def test_images_are_added_up_not_averaged():
    metric = PixelScores(step=0.5)
    metric.update(np.array([[0.9, 0.9, 0.9]]), np.array([[1, 1, 1]]))
    metric.update(np.array([[0.9]]), np.array([[0]]))
    assert metric.compute()["PIoU"] == pytest.approx(75)  # the mean of both would be 50


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("step", [0.001, 0.01, 0.07, 1.0])
def test_histograms_equal_numpys(dtype, step):
    rng = np.random.default_rng(0)
    metric = PixelScores(step=step)
    # Values on edges, just beside them, and anywhere.
    edges = metric.edges[metric.edges <= 1]
    values = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1), rng.random(500)])
    score_map = values.astype(dtype)[None]
    mask = rng.choice([0, 1, 255], score_map.shape).astype(np.uint8)
    metric.update(score_map, mask)
    for label, found in ((1, metric._true), (0, metric._false)):
        expected, _ = np.histogram(score_map[mask == label].astype(np.float64), bins=metric.edges)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("score_map", "mask", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"one shape \(h, w\), got float64 \(2, 2\) and \(2, 3\)"),
        (np.zeros((2, 2), int), np.zeros((2, 2)), "score map of floats"),
        (np.full((2, 2), 1.5), np.zeros((2, 2)), r"in \[0, 1\], got 1.5 to 1.5"),
        (np.full((2, 2), np.nan), np.zeros((2, 2)), r"in \[0, 1\], got nan"),
        (np.zeros((2, 2)), np.full((2, 2), 7), r"mask of 0, 1 and 255, got \[7\]"),
    ],
)
def test_other_maps_and_masks_are_refused(score_map, mask, message):
    with pytest.raises(ValueError, match=message):
        PixelScores().update(score_map, mask)


def test_masks_without_objects_give_no_figure():
    metric = PixelScores()
    metric.update(np.ones((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="pixels of objects in the masks, got none"):
        metric.compute()
    with pytest.raises(ValueError, match=r"a step in \(0, 1\], got 2"):
        PixelScores(step=2)
