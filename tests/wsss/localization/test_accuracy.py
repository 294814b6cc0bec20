"""Accuracy of boxes: by hand, and equal to counting without short cuts."""

import cv2
import numpy as np
import pytest

from wsss.localization import BoxAccuracy, CenterBoxAccuracy, MaxBoxAccuracy, box_iou, class_rank
from wsss.localization.contours import boxes_at_threshold


def hill(box, size=(20, 20), height=1.0):
    """A map that is high inside a box x0 y0 x1 y1, ends included."""
    score_map = np.zeros(size)
    x0, y0, x1, y1 = box
    score_map[y0 : y1 + 1, x0 : x1 + 1] = height
    return score_map


def test_two_images_by_hand():
    metric = MaxBoxAccuracy(step=0.1, ious=(0.5, 0.9))
    # The box ends one beyond the hill: 0..10, of 121 pixels against 100: IoU .826.
    metric.update(hill((0, 0, 9, 9)), [[0, 0, 9, 9]])
    # Two hills; the smaller one is the object, so the largest contour misses it.
    metric.update(np.maximum(hill((0, 0, 8, 8)), hill((12, 12, 15, 15))), [[12, 12, 16, 16]])
    found = metric.compute()
    assert found["v1"].tolist() == [50, 0]
    assert found["v2"].tolist() == [100, 50]
    assert metric.images == 2


def test_each_iou_has_its_own_threshold():
    metric = MaxBoxAccuracy(step=0.25, ious=(0.3, 0.7))
    broad = np.maximum(hill((0, 0, 18, 18), height=0.5), hill((5, 5, 12, 12)))
    metric.update(broad, [[5, 5, 13, 13]])  # found exactly above .5 of the maximum
    metric.update(hill((0, 0, 18, 18), height=0.4), [[0, 0, 19, 10]])  # IoU .55 at any threshold
    assert metric.curves()["v1"].tolist() == [[50, 50, 100, 100], [0, 0, 50, 50]]
    assert metric.best_thresholds()["v1"].tolist() == [0.5, 0.5]


def test_a_true_box_out_of_several_is_enough():
    metric = MaxBoxAccuracy()
    metric.update(hill((12, 12, 15, 15)), [[0, 0, 3, 3], [12, 12, 16, 16]])
    assert metric.compute()["v1"].tolist() == [100, 100, 100]


def test_class_and_box_must_both_be_right_for_top_1():
    metric, single = MaxBoxAccuracy(step=0.5), BoxAccuracy()
    for rank, is_found in ((0, True), (0, False), (3, True), (9, True)):
        box = (2, 2, 9, 9) if is_found else (15, 15, 18, 18)
        metric.update(hill(box), [[2, 2, 10, 10]], rank=rank)
        single.update(box, [[2, 2, 9, 9]], rank=rank)
    assert metric.compute()["v1"][1] == 75
    assert (metric.top(1)["v1"][1], metric.top(5)["v2"][1]) == (25, 50)
    found = single.compute()
    assert (found["gt_known"], found["top1"], found["top5"]) == (75, 25, 50)


def test_classes_that_were_not_predicted_for_all_give_no_top_1():
    metric = MaxBoxAccuracy()
    metric.update(hill((2, 2, 9, 9)), [[2, 2, 9, 9]], rank=0)
    metric.update(hill((2, 2, 9, 9)), [[2, 2, 9, 9]])
    with pytest.raises(ValueError, match=r"a rank for each image, got k=1 and ranks for 1 of 2: pass rank"):
        metric.top(1)
    single = BoxAccuracy()
    single.update([2, 2, 9, 9], [[2, 2, 9, 9]])
    assert single.compute()["top1"] is None
    with pytest.raises(ValueError, match="rank of 0 or more, got -1"):
        single.update([2, 2, 9, 9], [[2, 2, 9, 9]], rank=-1)


def test_one_threshold_mean_is_not_the_mean_of_maxima():
    metric = BoxAccuracy(ious=(0.3, 0.7))
    metric.update([0, 0, 9, 9], [[0, 0, 9, 4]])  # IoU .5
    metric.update([0, 0, 9, 9], [[0, 0, 9, 9]])
    found = metric.compute()
    assert found["accuracy"].tolist() == [100, 50]
    assert found["one_threshold_mean"] == 75
    # GT-known's .5 counts although it is not among the IoUs, and .5 itself is enough.
    assert found["gt_known"] == 100


def random_case(index, size=(48, 40)):
    rng = np.random.default_rng(index)
    score_map = rng.random(size)
    if index % 3:
        score_map = cv2.GaussianBlur(score_map, (0, 0), float(rng.uniform(1, 6)))
    score_map -= score_map.min()
    if index % 7 == 0:
        score_map[:] = 0
    corners = np.sort(rng.integers(0, (size[1], size[0]), (rng.integers(1, 4), 2, 2)), axis=1)
    return score_map / max(score_map.max(), 1e-9), corners.reshape(-1, 4)


@pytest.mark.parametrize("ious", [(0.3, 0.5, 0.7), (0.01,), (1.0,)])
def test_passing_over_levels_changes_nothing(ious):
    metric = MaxBoxAccuracy(step=0.02, ious=ious)
    hits = np.zeros((2, len(ious), len(metric.thresholds)))
    cases = [random_case(index) for index in range(30)]
    for score_map, truth in cases:
        metric.update(score_map, truth)
        for at, threshold in enumerate(metric.thresholds):
            for variant, contours in enumerate(("largest", "all")):
                boxes = boxes_at_threshold(score_map, threshold, contours=contours)
                hits[variant, :, at] += box_iou(boxes, truth).max() >= np.array(ious)
    curves = metric.curves()
    np.testing.assert_array_equal(np.stack([curves["v1"], curves["v2"]]), 100 * hits / len(cases))


def test_a_level_that_just_reaches_the_smallest_overlap_is_traced():
    metric = MaxBoxAccuracy()
    # The box ends one beyond the hill: 3 x 10 of 100 pixels, .3 exactly.
    metric.update(hill((0, 0, 1, 8)), [[0, 0, 9, 9]])
    assert metric.compute()["v1"].tolist() == [100, 0, 0]


def test_any_box_of_a_map_counts_for_v2():
    metric = MaxBoxAccuracy(step=0.05)
    for index in range(40):
        metric.update(*random_case(index))
    curves = metric.curves()
    assert (curves["v2"] >= curves["v1"]).all()
    assert (np.diff(curves["v2"], axis=0) <= 0).all()  # a larger overlap is reached by fewer


def test_baselines_by_hand():
    metric = CenterBoxAccuracy(size=(100, 100))
    metric.update([[0, 0, 99, 99]])
    metric.update([[25, 25, 74, 74]])  # a quarter of the image
    found = metric.compute()
    assert found["full_image"].tolist() == [50, 50, 50]
    # 70 pixels a side: IoU .49 with the whole, .51 with the quarter.
    assert found["center_half"].tolist() == [100, 50, 0]
    assert found["center_oracle"].tolist() == [100, 50, 50]


@pytest.mark.parametrize(
    ("scores", "label", "rank"),
    [([0.1, 0.7, 0.2], 1, 0), ([0.1, 0.7, 0.2], 0, 2), ([0.5, 0.5], 0, 0), ([0.5, 0.5], 1, 1)],
)
def test_rank_by_hand(scores, label, rank):
    assert class_rank(scores, label) == rank


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MaxBoxAccuracy(step=0), r"a step in \(0, 1\], got 0"),
        (lambda: MaxBoxAccuracy(ious=(0.5, 0.3)), r"rising IoUs in \(0, 1\], got \(0.5, 0.3\)"),
        (lambda: MaxBoxAccuracy(ious=(0, 0.3)), r"rising IoUs"),
        (lambda: MaxBoxAccuracy().compute(), "at least one image, got none: call update first"),
        (lambda: MaxBoxAccuracy().update(hill((0, 0, 1, 1)), []), r"true boxes \(n, 4\) of whole numbers"),
        (lambda: MaxBoxAccuracy().update(hill((0, 0, 1, 1)), [[0.5, 0, 1, 1]]), r"got float64 \(1, 4\)"),
        (lambda: MaxBoxAccuracy().update(hill((0, 0, 1, 1)), [[5, 0, 1, 1]]), "x1 and y1 come last"),
        (
            lambda: MaxBoxAccuracy().update(hill((0, 0, 1, 1)), [[90, 10, 99, 30]]),
            r"the map's grid of 20 x 20, got \[\[90, 10, 99, 30\]\]: use resize_boxes",
        ),
        (lambda: class_rank([0.1, np.nan], 0), "finite scores"),
        (lambda: class_rank([0.1], 1), r"got \(1,\) and 1"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
