"""Confident labels: the authors' result on a real image, rules without the CRF's help, error texts."""

from pathlib import Path

import numpy as np
import pytest

from refine.labels import confident_label

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "confident_label.npz"


@pytest.mark.data
@pytest.mark.skipif(
    not REFERENCE.is_file(), reason=f"{REFERENCE} is absent: it holds an image, which is not ours to copy"
)
def test_authors_label():
    data = np.load(REFERENCE)
    label = confident_label(
        data["image"],
        data["maps"],
        data["classes"],
        foreground_threshold=float(data["foreground_threshold"]),
        background_threshold=float(data["background_threshold"]),
    )
    # Versions of pydensecrf agree on 99.9 % of the pixels.
    assert (label == data["label"]).mean() >= 0.999


def stripes() -> tuple[np.ndarray, np.ndarray]:
    """Four flat stripes 20 pixels wide, and maps .9 | .2 | .01 | class 2 in them."""
    image = np.zeros((30, 80, 3), np.uint8)
    maps = np.zeros((2, 30, 80), np.float32)
    for stripe, (colour, first, second) in enumerate(
        [(250, 0.9, 0.0), (170, 0.2, 0.1), (90, 0.01, 0.0), (10, 0.3, 0.8)]
    ):
        columns = slice(20 * stripe, 20 * stripe + 20)
        image[:, columns] = colour
        maps[0, :, columns], maps[1, :, columns] = first, second
    return image, maps


def test_three_kinds_of_pixels():
    image, maps = stripes()
    label = confident_label(
        image, maps, np.array([7, 4], np.uint8), foreground_threshold=0.3, background_threshold=0.05
    )
    assert label.dtype == np.uint8
    # Sure of 7, unsure (between the thresholds), sure of background, sure of 4: at the middle of each stripe.
    assert label[15, [10, 30, 50, 70]].tolist() == [7, 255, 0, 4]
    assert (label != 255).mean() == pytest.approx(0.75, abs=0.05)


def test_equal_thresholds_leave_nothing_unsure():
    image, maps = stripes()
    label = confident_label(
        image, maps, np.array([7, 4]), foreground_threshold=0.15, background_threshold=0.15
    )
    assert label[15, [10, 30, 50, 70]].tolist() == [7, 7, 0, 4]
    assert (label != 255).all()


def test_no_classes_is_all_background():
    image, maps = stripes()
    label = confident_label(
        image, maps[:0], np.zeros(0, np.uint8), foreground_threshold=0.3, background_threshold=0.05
    )
    assert (label == 0).all()


def test_one_pixel():
    label = confident_label(
        np.zeros((1, 1, 3), np.uint8),
        np.ones((1, 1, 1), np.float32),
        np.array([3]),
        foreground_threshold=0.3,
        background_threshold=0.05,
    )
    assert label.tolist() == [[3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"maps": np.zeros((2, 30, 79), np.float32)},
            r"expected maps of shape \(K, 30, 80\), got \(2, 30, 79\)",
        ),
        ({"maps": np.zeros((30, 80), np.float32)}, r"expected maps of shape \(K, 30, 80\)"),
        ({"classes": np.array([1])}, r"expected 2 classes in 1..254, one for each map, got \[1\]"),
        ({"classes": np.array([0, 1])}, r"expected 2 classes in 1..254"),
        (
            {"foreground_threshold": 0.04},
            "expected 0 <= background_threshold <= foreground_threshold <= 1, got 0.05 and",
        ),
        ({"image": np.zeros((30, 80, 3), np.float32)}, r"expected an RGB image \(H, W, 3\) uint8"),
    ],
)
def test_wrong_inputs(change, message):
    image, maps = stripes()
    arguments = {
        "image": image,
        "maps": maps,
        "classes": np.array([7, 4]),
        "foreground_threshold": 0.3,
        "background_threshold": 0.05,
    } | change
    with pytest.raises(ValueError, match=message):
        confident_label(**arguments)
