"""Dense CRF: it follows colour edges, keeps what it is sure of, and refuses what does not fit."""

import numpy as np
import pytest

from wsss.crf import crf_labels, crf_probabilities

SPLIT = 23


def two_grounds() -> tuple[np.ndarray, np.ndarray]:
    """A dark and a bright half that meet at column 23, and labels that meet at column 20."""
    image = np.full((32, 40, 3), 30, np.uint8)
    image[:, SPLIT:] = 220
    labels = np.zeros((32, 40), np.int64)
    labels[:, 20:] = 1
    return image, labels


def test_labels_move_to_the_colour_edge():
    image, labels = two_grounds()
    result = crf_labels(image, labels, 2)
    np.testing.assert_array_equal(result, np.arange(40)[None].repeat(32, 0) >= SPLIT)


def test_labels_of_a_transposed_image_are_transposed():
    image, labels = two_grounds()
    upright = crf_labels(image, labels, 2)
    lying = crf_labels(image.transpose(1, 0, 2), labels.T, 2)
    np.testing.assert_array_equal(lying, upright.T)


def test_no_iterations_leave_the_labels():
    image, labels = two_grounds()
    np.testing.assert_array_equal(crf_labels(image, labels, 3, iterations=0), labels)


def test_probabilities_move_to_the_colour_edge():
    image, labels = two_grounds()
    start = np.stack([np.where(labels == 0, 0.6, 0.4), np.where(labels == 1, 0.6, 0.4)])
    result = crf_probabilities(image, start)
    assert result.shape == (2, 32, 40)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.sum(0), 1, atol=1e-5)  # float32 softmax
    np.testing.assert_array_equal(result.argmax(0), np.arange(40)[None].repeat(32, 0) >= SPLIT)


def test_no_iterations_leave_the_probabilities():
    image, labels = two_grounds()
    start = np.stack([np.where(labels == 0, 0.7, 0.2), np.where(labels == 0, 0.3, 0.8)])
    # Logarithm and softmax in float32.
    np.testing.assert_allclose(crf_probabilities(image, start, iterations=0), start, atol=1e-5)


def test_certain_probabilities_stay_finite():
    image, labels = two_grounds()
    assert np.isfinite(
        crf_probabilities(image, np.stack([labels == 0, labels == 1]).astype(np.float32))
    ).all()


def test_one_label_only():
    image, labels = two_grounds()
    assert (crf_labels(image, labels * 0, 1) == 0).all()
    assert (crf_probabilities(image, np.ones((1, 32, 40))) == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((32, 40), np.uint8)}, r"expected an RGB image \(H, W, 3\) uint8, got \(32, 40\)"),
        ({"image": np.zeros((32, 40, 3))}, r"expected an RGB image .* float64"),
        (
            {"image": np.zeros((32, 41, 3), np.uint8)},
            r"expected the labels to have the image's size \(32, 41\)",
        ),
        ({"num_labels": 1}, r"expected integer labels in 0..0, got int64 in 0..1"),
        ({"labels": np.full((32, 40), -1)}, r"expected integer labels in 0..1, got int64 in -1..-1"),
        ({"labels": np.zeros((32, 40))}, r"expected integer labels in 0..1, got float64"),
        ({"confidence": 1.0}, r"expected a confidence inside \(0, 1\), got 1.0"),
    ],
)
def test_wrong_labels(change, message):
    image, labels = two_grounds()
    with pytest.raises(ValueError, match=message):
        crf_labels(**{"image": image, "labels": labels, "num_labels": 2} | change)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.zeros((32, 40)), r"expected probabilities of shape \(L, H, W\), got \(32, 40\)"),
        (np.full((2, 32, 40), 3.0), r"expected probabilities in \[0, 1\], got 3 to 3"),
        (np.full((2, 32, 40), np.nan), r"expected probabilities in \[0, 1\], got nan"),
        (np.zeros((2, 32, 41)), r"expected the labels to have the image's size \(32, 40\), got \(32, 41\)"),
    ],
)
def test_wrong_probabilities(probabilities, message):
    with pytest.raises(ValueError, match=message):
        crf_probabilities(two_grounds()[0], probabilities)
