"""The only mIoU of the project: one confusion matrix over all images, for seeds, masks and predictions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsss.artifacts import IGNORE


def confusion_matrix(prediction: ArrayLike, truth: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Count pixels by true and predicted label; matrices of several images are simply added.

    Args:
        prediction: (H, W) integer in 0..C.
        truth: (H, W) integer in 0..C, or 255: the pixel is left out.
        num_classes: number of classes C without background.

    Returns:
        (C+1, C+1) int64, rows truth, columns prediction, index 0 background.

    Raises:
        ValueError: shapes differ, values are no integers, or they lie outside 0..C.

    >>> confusion_matrix([[0, 1, 1]], [[0, 1, 255]], num_classes=1)
    array([[1, 0],
           [0, 1]])
    """
    predicted, true = np.asarray(prediction), np.asarray(truth)
    if predicted.shape != true.shape:
        raise ValueError(f"expected two label maps of one shape, got {predicted.shape} and {true.shape}")
    keep = true != IGNORE
    predicted, true = predicted[keep], true[keep]
    _check_labels("prediction", predicted, num_classes)
    _check_labels("truth", true, num_classes)
    labels = num_classes + 1
    pairs = true.astype(np.int64) * labels + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=labels**2).reshape(labels, labels)


def iou(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every class.

    Args:
        confusion: (C+1, C+1), rows truth, columns prediction.

    Returns:
        (C+1,) float64 in [0, 1]; NaN for a class that neither the truth nor the prediction holds.

    Raises:
        ValueError: the matrix is not square.

    Source: PASCAL VOC development kit, segmentation task: true positives / (true positives + false positives
        + false negatives), background counted as a class.

    >>> iou(np.array([[6, 2, 0], [0, 8, 0], [0, 0, 0]]))
    array([0.75, 0.8 ,  nan])
    """
    counts = _square(confusion)
    hit = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hit
    return np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)


def mean_iou(confusion: NDArray[Any]) -> float:
    """Mean of `iou` over the classes that occur in the truth or the prediction.

    Args:
        confusion: (C+1, C+1), rows truth, columns prediction.

    Returns:
        A value in [0, 1]; NaN when the matrix is empty.

    >>> round(mean_iou(np.array([[6, 2, 0], [0, 8, 0], [0, 0, 0]])), 3)
    0.775
    """
    return mean_of_classes(iou(confusion))


def precision(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the pixels predicted as each class that are of it: the lower, the more a mask spills over.

    Args:
        confusion: (C+1, C+1), rows truth, columns prediction.

    Returns:
        (C+1,) float64 in [0, 1]; 0 for a class that is never predicted but there; NaN where `iou` is NaN, so
        that means of both are over the same classes.

    Raises:
        ValueError: the matrix is not square.

    >>> precision(np.array([[6, 2, 0], [0, 8, 0], [0, 0, 0]]))
    array([1. , 0.8, nan])
    """
    return _share_of_hits(confusion, axis=0)


def recall(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the pixels of each class that are predicted as it: the lower, the more a mask misses.

    Args:
        confusion: (C+1, C+1), rows truth, columns prediction.

    Returns:
        (C+1,) float64 in [0, 1]; 0 for a class that is predicted but never there; NaN where `iou` is NaN.

    Raises:
        ValueError: the matrix is not square.

    >>> recall(np.array([[6, 2, 0], [0, 8, 0], [0, 0, 0]]))
    array([0.75, 1.  ,  nan])
    """
    return _share_of_hits(confusion, axis=1)


def mean_of_classes(values: NDArray[np.float64]) -> float:
    """Mean over the classes that occur; NaN where none does.

    Args:
        values: (C+1,), of `iou`, `precision` or `recall`.
    """
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def pixel_accuracy(confusion: NDArray[Any]) -> float:
    """Share of the counted pixels whose label is right.

    Args:
        confusion: (C+1, C+1), rows truth, columns prediction.

    Returns:
        A value in [0, 1]; NaN when the matrix is empty.
    """
    counts = _square(confusion)
    total = counts.sum()
    return float(np.trace(counts) / total) if total else float("nan")


def _share_of_hits(confusion: NDArray[Any], *, axis: int) -> NDArray[np.float64]:
    """The diagonal over the sums along an axis: 0 where a sum is, NaN where the class does not occur."""
    counts = _square(confusion)
    total = counts.sum(axis=axis)
    shares = np.where(np.isnan(iou(confusion)), np.nan, 0.0)
    return np.divide(np.diag(counts), total, out=shares, where=total > 0)


def _square(confusion: NDArray[Any]) -> NDArray[np.float64]:
    counts = np.asarray(confusion, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"expected a confusion matrix (C+1, C+1), got shape {counts.shape}")
    return counts


def _check_labels(name: str, labels: NDArray[Any], num_classes: int) -> None:
    if not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise ValueError(f"expected integer labels as {name}, got {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() > num_classes):
        wrong = labels[(labels < 0) | (labels > num_classes)][0]
        hint = ": decide first what an ignored pixel of a prediction stands for" if wrong == IGNORE else ""
        raise ValueError(f"expected labels 0..{num_classes} as {name}, got {wrong}{hint}")
