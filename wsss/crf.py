"""Dense conditional random fields: sharpen labels or probabilities along the image's colour edges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pydensecrf.densecrf as dense_crf
from numpy.typing import NDArray
from pydensecrf.utils import unary_from_labels, unary_from_softmax


@dataclasses.dataclass(frozen=True)
class CrfKernels:
    """Pairwise terms of a dense CRF.

    Attributes:
        gaussian_sxy: standard deviation of the smoothness kernel, in pixels.
        gaussian_compat: its weight.
        bilateral_sxy: standard deviation of the appearance kernel, in pixels.
        bilateral_srgb: its standard deviation in 8-bit colour values.
        bilateral_compat: its weight.
    """

    gaussian_sxy: float
    gaussian_compat: float
    bilateral_sxy: float
    bilateral_srgb: float
    bilateral_compat: float


# IRN's for confident labels, and DeepLab's for predictions.
LABEL_KERNELS = CrfKernels(
    gaussian_sxy=3, gaussian_compat=3, bilateral_sxy=50, bilateral_srgb=5, bilateral_compat=10
)
PREDICTION_KERNELS = CrfKernels(
    gaussian_sxy=1, gaussian_compat=3, bilateral_sxy=67, bilateral_srgb=3, bilateral_compat=4
)


def crf_labels(
    image: NDArray[np.uint8],
    labels: NDArray[np.integer],
    num_labels: int,
    *,
    confidence: float = 0.7,
    iterations: int = 10,
    kernels: CrfKernels = LABEL_KERNELS,
) -> NDArray[np.int64]:
    """Dense CRF that starts from hard labels.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) integer, 0..num_labels - 1; every one counts as certain as ``confidence``.
        num_labels: number of labels, also of those that do not occur.
        confidence: probability of a pixel's own label, in (0, 1); the others share the rest.
        iterations: mean-field iterations.
        kernels: pairwise terms.

    Returns:
        (H, W) int64, the most probable labels.

    Raises:
        ValueError: shapes, dtypes or ranges that do not fit.
    """
    _check_image(image, labels.shape)
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if labels.dtype.kind not in "iu" or low < 0 or high >= num_labels:
        raise ValueError(
            f"expected integer labels in 0..{num_labels - 1}, got {labels.dtype} in {low}..{high}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence inside (0, 1), got {confidence}")
    if num_labels < 2:
        return np.zeros(labels.shape, dtype=np.int64)
    unary = unary_from_labels(labels.astype(np.int32), num_labels, gt_prob=confidence, zero_unsure=False)
    probabilities = _infer(image, unary, num_labels, iterations=iterations, kernels=kernels)
    return probabilities.argmax(axis=0)


def crf_probabilities(
    image: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    *,
    iterations: int = 10,
    kernels: CrfKernels = PREDICTION_KERNELS,
) -> NDArray[np.float32]:
    """Dense CRF that starts from a network's softmax.

    Args:
        image: (H, W, 3) uint8 RGB.
        probabilities: (L, H, W) float in [0, 1], sums of 1 over the labels.
        iterations: mean-field iterations.
        kernels: pairwise terms.

    Returns:
        (L, H, W) float32, sums of 1 over the labels.

    Raises:
        ValueError: shapes, dtypes or ranges that do not fit.
    """
    if probabilities.ndim != 3:
        raise ValueError(f"expected probabilities of shape (L, H, W), got {probabilities.shape}")
    _check_image(image, probabilities.shape[1:])
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-4):
        raise ValueError(
            f"expected probabilities in [0, 1], got {probabilities.min():.3g} to {probabilities.max():.3g}: "
            "pass the logits through a softmax"
        )
    if len(probabilities) < 2:
        return np.ones(probabilities.shape, dtype=np.float32)
    unary = unary_from_softmax(probabilities.astype(np.float32))
    return _infer(image, unary, len(probabilities), iterations=iterations, kernels=kernels)


def _check_image(image: NDArray[np.uint8], size: tuple[int, ...]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an RGB image (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if image.shape[:2] != size:
        raise ValueError(f"expected the labels to have the image's size {image.shape[:2]}, got {size}")


def _infer(
    image: NDArray[np.uint8],
    unary: NDArray[np.float32],
    num_labels: int,
    *,
    iterations: int,
    kernels: CrfKernels,
) -> NDArray[np.float32]:
    """Mean-field inference: (num_labels, H, W) float32 probabilities."""
    height, width = image.shape[:2]
    field = dense_crf.DenseCRF2D(width, height, num_labels)
    # The library reads both buffers as they lie in memory, and refuses an image that it could not write.
    field.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
    field.addPairwiseGaussian(sxy=kernels.gaussian_sxy, compat=kernels.gaussian_compat)
    field.addPairwiseBilateral(
        sxy=kernels.bilateral_sxy,
        srgb=kernels.bilateral_srgb,
        rgbim=np.require(image, requirements=("C", "W")),
        compat=kernels.bilateral_compat,
    )
    return np.array(field.inference(iterations), dtype=np.float32).reshape(num_labels, height, width)
