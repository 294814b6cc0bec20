"""Overlaps and grids by hand, with wsolevaluation's and BAS's conventions."""

import numpy as np
import pytest

from wsss.localization import (
    box_iou,
    center_boxes,
    center_crop_boxes,
    largest_component_box,
    resize_boxes,
)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param([1, 2, 5, 6], [3, 1, 4, 5], 8 / 27, id="wsolevaluation-golden"),
        pytest.param([0, 0, 0, 0], [0, 0, 0, 0], 1.0, id="one-pixel"),
        pytest.param([0, 0, 3, 3], [4, 0, 7, 3], 0.0, id="side-by-side"),
        pytest.param([0, 0, 3, 3], [3, 3, 6, 6], 1 / 31, id="shared-corner-pixel"),
        pytest.param([5, 5, 4, 4], [5, 5, 4, 4], 0.0, id="empty-union"),
    ],
)
def test_overlap_by_hand(a, b, expected):
    assert box_iou(a, b) == pytest.approx(expected, abs=1e-15)  # one division in float64
    assert box_iou(b, a) == box_iou(a, b)


def test_overlap_of_sets_is_a_table():
    few, many = np.array([[0, 0, 1, 1], [2, 2, 3, 3]]), np.array([[0, 0, 1, 1], [0, 0, 3, 3], [9, 9, 9, 9]])
    np.testing.assert_allclose(box_iou(few, many), [[1, 0.25, 0], [0, 0.25, 0]])
    assert box_iou(few[0], many).shape == (3,)
    assert box_iou(few, many[0]).shape == (2,)
    assert isinstance(box_iou(few[0], many[0]), float)
    np.testing.assert_array_equal(box_iou(few.astype(np.uint8), many.astype(np.uint8)), box_iou(few, many))


def test_overlap_equals_counting_pixels():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:12, :12]
    for _ in range(200):
        corners = np.sort(rng.integers(0, 12, (2, 2, 2)), axis=1)  # (box, end, axis)
        boxes = corners.reshape(2, 4)
        one, two = (
            (columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1) for x0, y0, x1, y1 in boxes
        )
        assert box_iou(*boxes) == pytest.approx((one & two).sum() / (one | two).sum())


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected boxes \(4,\) or \(n, 4\) x0 y0 x1 y1, got int64 \(5,\)"):
        box_iou(np.zeros(5, int), [0, 0, 1, 1])


def test_resizing_by_hand():
    # wsolevaluation's golden value; there sizes are given width first.
    assert resize_boxes([1, 2, 4, 3], (20, 10), (10, 35)).tolist() == [3, 1, 14, 1]
    assert resize_boxes([[0, 0, 499, 374]], (375, 500), (224, 224)).tolist() == [[0, 0, 223, 223]]


def test_the_middle_of_bas_by_hand():
    # 400 x 200 pixels: x * .64 - 16, y * 1.28 - 16, cut at 0 and 223.
    assert center_crop_boxes([50, 50, 300, 199], (200, 400)).tolist() == [16, 48, 176, 223]
    assert center_crop_boxes([0, 0, 10, 13], (200, 400)).tolist() == [0, 0, 0, 0]


def test_the_largest_part_by_hand():
    score = np.zeros((5, 7), np.float32)
    score[0, 0:3] = 0.9  # three pixels
    score[2, 3] = score[3, 4] = score[4, 5] = score[4, 6] = 0.4  # four, joined at corners
    assert largest_component_box(score, threshold=0.1) == (3, 2, 7, 5)
    assert largest_component_box(score, threshold=0.5) == (0, 0, 3, 1)
    # As nothing is above it, the whole image: its end lies one beyond, like those of all boxes here.
    assert largest_component_box(score, threshold=0.95) == (0, 0, 7, 5)


def test_of_equal_parts_the_first_row_by_row_counts():
    rng = np.random.default_rng(1)
    for _ in range(50):
        score = np.zeros((9, 9), np.float32)
        spots = [(y, x) for y in range(0, 9, 2) for x in range(0, 9, 2) if rng.random() < 0.3]
        for y, x in spots:
            score[y, x] = 1
        if spots:
            y, x = min(spots)
            assert largest_component_box(score, threshold=0) == (x, y, x + 1, y + 1)


def test_a_stack_of_maps_is_refused():
    with pytest.raises(ValueError, match=r"score map \(H, W\), got shape \(2, 4, 4\)"):
        largest_component_box(np.zeros((2, 4, 4)), threshold=0.5)


def test_boxes_around_the_middle():
    boxes = center_boxes([1, 0.5], (100, 200))
    assert boxes.tolist() == [[0, 0, 199, 99], [50, 25, 149, 74]]
