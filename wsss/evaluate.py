"""Scores of seeds and masks against ground truth, over a whole split, from stored files alone."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import IGNORE, Artifact, Seed, read_seed
from wsss.datasets import DataSet
from wsss.errors import DataError
from wsss.metrics import confusion_matrix, iou, mean_iou, mean_of_classes, precision, recall
from wsss.progress import track
from wsss.thresholds import IMAGE_SPECIFIC, Threshold, oracle_threshold

THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.01), 2)


@dataclasses.dataclass(frozen=True)
class Scores:
    """A confusion matrix and what is read off it.

    Attributes:
        confusion: (C+1, C+1) int64, rows truth, columns prediction.
        classes: names of the C classes, without background.
        images: number of images scored.
    """

    confusion: NDArray[np.int64]
    classes: tuple[str, ...]
    images: int

    def __add__(self, other: "Scores") -> "Scores":
        """The scores of two sets of images together."""
        return Scores(self.confusion + other.confusion, self.classes, self.images + other.images)

    def figures(self) -> dict[str, Any]:
        """MIoU, precision, recall, pixel accuracy, shares of false pixels: in [0, 1], None where absent.

        ``mean_precision`` and ``mean_recall`` are over the classes that mIoU is the mean of.
        ``false_positive`` and ``false_negative`` are shares of all pixels: background called a class, and a
        class called background.
        """
        confusion = self.confusion
        total = max(int(confusion.sum()), 1)
        per_class = {"iou": iou(confusion), "precision": precision(confusion), "recall": recall(confusion)}
        return {
            "mIoU": round(mean_iou(confusion), 6),
            "mean_precision": round(mean_of_classes(per_class["precision"]), 6),
            "mean_recall": round(mean_of_classes(per_class["recall"]), 6),
            "pixel_accuracy": round(float(np.trace(confusion)) / total, 6),
            "false_positive": round(float(confusion[0, 1:].sum()) / total, 6),
            "false_negative": round(float(confusion[1:, 0].sum()) / total, 6),
            "images": self.images,
            **{f"per_class_{name}": self._by_class(values) for name, values in per_class.items()},
        }

    def _by_class(self, values: NDArray[np.float64]) -> dict[str, float | None]:
        """Values (C+1,) by the names of the classes."""
        names = ("background", *self.classes)
        return {
            name: None if np.isnan(value) else round(float(value), 6)
            for name, value in zip(names, values, strict=True)
        }


def evaluate_masks(
    read: Callable[[str], NDArray[np.uint8]],
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    description: str = "score",
) -> Scores:
    """Score label maps.

    Args:
        read: gives the (H, W) uint8 label map of an image id; 255 counts as background.
        dataset: holds the ground truth.
        image_ids: images to score; those without ground truth are left out.
        description: what the progress line says.

    Raises:
        DataError: no image has ground truth.
    """
    num_classes = len(dataset.classes)
    confusion = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    scored = _with_truth(dataset, image_ids)
    for image_id in track(scored, description):
        truth = dataset.truth(image_id)
        prediction = read(image_id)
        if prediction.shape != truth.shape:
            raise DataError(
                f"expected a mask of size {truth.shape}, got {prediction.shape} for {image_id}: "
                "check its file"
            )
        confusion += confusion_matrix(np.where(prediction == IGNORE, 0, prediction), truth, num_classes)
    return Scores(confusion, tuple(dataset.classes), len(scored))


def sweep_seeds(
    read: Callable[[str], Seed],
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    description: str = "score seeds",
) -> list[Scores]:
    """Score seeds at every threshold of `THRESHOLDS` in one pass.

    A pixel is the class with the highest map where that map is above the threshold, background elsewhere.

    Returns:
        One `Scores` per threshold.

    Raises:
        DataError: no image has ground truth.
    """
    total = np.zeros((len(THRESHOLDS), len(dataset.classes) + 1, len(dataset.classes) + 1), np.int64)
    scored = _with_truth(dataset, image_ids)
    for image_id in track(scored, description):
        truth = dataset.truth(image_id)
        seed = read(image_id)
        if seed.size != truth.shape:
            raise DataError(
                f"expected a seed of size {truth.shape}, got {seed.size} for {image_id}: check its file"
            )
        total += threshold_confusions(seed, truth, len(dataset.classes))
    return [Scores(confusion, tuple(dataset.classes), len(scored)) for confusion in total]


def sweep_rows(artifact: Artifact, dataset: DataSet) -> list[dict[str, Any]]:
    """Score published seeds at every threshold, and at their image-specific ones where they have them.

    Args:
        artifact: published seeds.
        dataset: holds the ground truth.

    Returns:
        Rows of ``threshold`` (a number, or "per map"), ``chosen`` (by whom, and whether ground truth was
        used) and the figures of `Scores.figures`.

    Raises:
        DataError: no image has ground truth.
    """
    sweep = sweep_seeds(lambda one: read_seed(artifact.file(one)), dataset, artifact.ids)
    best = int(np.argmax([mean_iou(one.confusion) for one in sweep]))
    rows: list[dict[str, Any]] = [
        {
            "threshold": float(threshold),
            "chosen": f"oracle, {artifact.split}" if i == best else "fixed",
        }
        | one.figures()
        for i, (threshold, one) in enumerate(zip(THRESHOLDS, sweep, strict=True))
    ]
    if read_seed(artifact.file(artifact.ids[0])).thresholds is not None:
        chosen = {"threshold": "per map", "chosen": IMAGE_SPECIFIC.chosen_by}
        rows.append(chosen | score_image_specific(artifact.file, dataset, artifact.ids).figures())
    return rows


def score_image_specific(file: Callable[[str], Path], dataset: DataSet, image_ids: Sequence[str]) -> Scores:
    """Score seeds at the image-specific thresholds that they carry.

    A pixel is the class whose map, calibrated by its threshold (`Seed.calibrated`), is highest, if it is
    above it.

    Raises:
        ArtifactError: a seed has no thresholds.
        DataError: no image has ground truth.
    """
    # Each map is raised to the power that moves its own threshold to `middle`. Another middle multiplies all
    # powers by one factor, which changes neither the order of the maps nor what lies above it.
    middle = 0.5
    sweep = sweep_seeds(lambda one: read_seed(file(one)).calibrated(middle), dataset, image_ids)
    return at_threshold(sweep, middle)


def oracle(scores: Sequence[Scores], split: str) -> tuple[dict[str, Any], Threshold]:
    """Figures at the threshold with the highest mIoU, and that threshold: ground truth chose it."""
    best = int(np.argmax([mean_iou(one.confusion) for one in scores]))
    return scores[best].figures(), oracle_threshold(float(THRESHOLDS[best]), split)


def at_threshold(scores: Sequence[Scores], threshold: float) -> Scores:
    """The one of a sweep's scores whose threshold of `THRESHOLDS` is nearest to a fixed one."""
    return scores[int(np.abs(THRESHOLDS - threshold).argmin())]


def _with_truth(dataset: DataSet, image_ids: Sequence[str]) -> list[str]:
    scored = [image_id for image_id in image_ids if dataset.mask_path(image_id) is not None]
    if not scored:
        raise DataError(
            f"expected ground truth for some of {len(image_ids)} images, found none: scoring needs masks"
        )
    return scored


def _best(seed: Seed) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Label and value of the highest map at each pixel; an image without maps is background."""
    if len(seed.classes) == 0:
        return np.zeros(seed.size, np.int64), np.zeros(seed.size, np.float32)
    maps = seed.upsample()
    return seed.classes.astype(np.int64)[maps.argmax(axis=0)], maps.max(axis=0)


def threshold_confusions(seed: Seed, truth: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """Confusion matrices of one image at every threshold of `THRESHOLDS`.

    A pixel is the class with the highest map where that map is above the threshold, background elsewhere.

    Args:
        seed: soft maps of the image.
        truth: (H, W) uint8, 255 ignore.
        num_classes: number of classes C without background.

    Returns:
        (len(THRESHOLDS), C+1, C+1) int64, rows truth, columns prediction.

    Raises:
        DataError: the seed is not of the truth's size.
    """
    if seed.size != truth.shape:
        raise DataError(f"expected a seed of size {truth.shape}, got {seed.size}: check its file")
    side, steps = num_classes + 1, len(THRESHOLDS) + 1
    label, score = _best(seed)
    valid = truth != IGNORE
    # How many thresholds lie below the score: at threshold j the pixel is foreground where j < passed.
    passed = np.searchsorted(THRESHOLDS, score[valid], side="left")
    index = (passed * side + truth[valid]) * side + label[valid]
    below = np.bincount(index, minlength=steps * side * side).reshape(steps, side, side).cumsum(axis=0)
    confusions = below[-1] - below[:-1]
    confusions[:, :, 0] += below[:-1].sum(axis=2)
    return confusions.astype(np.int64)
