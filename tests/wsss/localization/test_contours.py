"""Boxes of contours: by hand, and equal to tracing each threshold anew."""

import cv2
import numpy as np
import pytest

from wsss.localization import boxes_at_threshold
from wsss.localization.contours import find_levels, trace_contours

# The map is ours, its boxes are those of wsolevaluation's own test.
UNIMODAL = np.array([[0, 0, 0, 0, 0], [0, 0.3, 0.5, 0.5, 0], [0, 0.3, 1, 0.7, 0], [0, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0, [1, 1, 4, 3]), (0.2, [1, 1, 4, 3]), (0.4, [2, 1, 4, 3]), (0.6, [2, 2, 4, 3]), (0.8, [2, 2, 3, 3])],
)
def test_one_hill(threshold, expected):
    assert boxes_at_threshold(UNIMODAL, threshold).tolist() == [expected]
    assert boxes_at_threshold(UNIMODAL, threshold, contours="largest").tolist() == [expected]


def test_two_hills_come_from_the_last_row_on():
    score_map = np.zeros((4, 5))
    score_map[0, 0], score_map[3, 0], score_map[3, 2] = 0.6, 1, 0.8
    # wsolevaluation's golden boxes, in its order: OpenCV lists the last found first.
    assert boxes_at_threshold(score_map, 0.7).tolist() == [[2, 3, 3, 3], [0, 3, 1, 3]]
    assert boxes_at_threshold(score_map, 0.5).tolist() == [[2, 3, 3, 3], [0, 3, 1, 3], [0, 0, 1, 1]]
    # All three have polygons without area: the first of the list counts.
    assert boxes_at_threshold(score_map, 0.5, contours="largest").tolist() == [[2, 3, 3, 3]]


def test_holes_are_contours_too():
    ring = np.zeros((9, 9))
    ring[1:8, 1:8] = 1
    ring[3:6, 3:6] = 0
    # The hole's contour runs along the ring's pixels beside it.
    assert sorted(boxes_at_threshold(ring, 0.5).tolist()) == [[1, 1, 8, 8], [2, 2, 7, 7]]
    assert boxes_at_threshold(ring, 0.5, contours="largest").tolist() == [[1, 1, 8, 8]]


def test_an_empty_map_has_the_first_pixel():
    for threshold in (0, 0.3, 0.99):
        assert boxes_at_threshold(np.zeros((4, 5)), threshold).tolist() == [[0, 0, 0, 0]]


def test_the_threshold_is_strict_and_cut_to_whole_values():
    # 8 bits: 100 and 101 of 255; .395 * 255 = 100.7, cut to 100, and only 101 is above it.
    score_map = np.array([[100.5, 101.5, 0, 255.0]]) / 255
    assert boxes_at_threshold(score_map, 0.395).tolist() == [[3, 0, 3, 0], [1, 0, 2, 0]]
    assert boxes_at_threshold(score_map, 0.39).tolist() == [[3, 0, 3, 0], [0, 0, 2, 0]]


def maps(kind, index):
    rng = np.random.default_rng([index, len(kind)])
    size = rng.integers(1, 40, 2)
    score_map = rng.random(size)
    if kind == "smooth":
        score_map = cv2.GaussianBlur(score_map, (0, 0), 3)
    elif kind == "few values":
        score_map = rng.choice([0, 0.2, 0.21, 0.7, 1], size)
    elif kind == "sparse":
        score_map *= rng.random(size) < 0.05
    return score_map / max(score_map.max(), 1e-9) * rng.choice([1, 0.3, 0.004])


@pytest.mark.parametrize("kind", ["noise", "smooth", "few values", "sparse"])
@pytest.mark.parametrize("step", [0.01, 0.001])
def test_levels_equal_tracing_each_threshold(kind, step):
    thresholds = np.arange(0, 1, step)
    for index in range(15 if step == 0.01 else 3):
        score_map = maps(kind, index)
        height, width = score_map.shape
        levels = find_levels(score_map, thresholds)
        traced = trace_contours(levels, len(levels.cuts))
        per_level = np.split(traced.boxes, traced.starts[1:])
        pixels = (score_map * 255).astype(np.uint8)
        for threshold, level in zip(thresholds, levels.of_threshold, strict=True):
            above = (pixels > int(threshold * pixels.max())).astype(np.uint8)
            contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            boxes, largest = [(0, 0, 0, 0)], 0
            if contours:
                found = [cv2.boundingRect(one) for one in contours]
                boxes = [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in found]
                largest = int(np.argmax([cv2.contourArea(one) for one in contours]))
            np.testing.assert_array_equal(per_level[level], boxes)
            assert traced.largest[level] - traced.starts[level] == largest
            # What lets levels be passed over: no box leaves the reach.
            assert (per_level[level][:, 2:] <= levels.reach[level, 2:]).all()
            assert (per_level[level][:, :2] >= levels.reach[level, :2]).all()


@pytest.mark.parametrize(
    ("score_map", "message"),
    [
        (np.array([[0, 1.1]]), r"score map in \[0, 1\], got 0 to 1.1: use normalize_score_map"),
        (np.array([[-0.1, 1]]), r"got -0.1 to 1"),
        (np.array([[np.nan, 1]]), r"got nan to nan"),
        (np.array([[0, 1]]), r"\(H, W\) of floats, got int64 \(1, 2\)"),
        (np.zeros((1, 2, 2)), r"got float64 \(1, 2, 2\)"),
    ],
)
def test_other_maps_are_refused(score_map, message):
    with pytest.raises(ValueError, match=message):
        boxes_at_threshold(score_map, 0.5)
