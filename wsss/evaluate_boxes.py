"""Scores of score maps on localisation data: boxes and pixels, with fixed and with oracle thresholds."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import Artifact, read_seed
from wsss.datasets import LocalizationDataSet
from wsss.datasets.base import name_some
from wsss.errors import DataError
from wsss.localization import (
    GRID,
    IOUS,
    BoxAccuracy,
    CenterBoxAccuracy,
    MaxBoxAccuracy,
    PixelScores,
    boxes_at_threshold,
    class_rank,
    largest_component_box,
    normalize_score_map,
    normalize_then_enlarge,
    resize_boxes,
)
from wsss.localization.accuracy import KNOWN_IOU, TOP
from wsss.localization.boxes import Box
from wsss.progress import track
from wsss.thresholds import Threshold, oracle_threshold

_KNOWN = IOUS.index(KNOWN_IOU)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a method says of one image's class.

    Attributes:
        cubic: (224, 224) float in [0, 1], brought to the grid by wsolevaluation's rule.
        bilinear: the same by BAS's rule.
        rank: place of the class among the predicted ones, 0 the first; None: not predicted.
        border: (224, 224) float, above 0 inside the border that the method draws itself; None: it draws none.
    """

    cubic: NDArray[Any]
    bilinear: NDArray[Any]
    rank: int | None = None
    border: NDArray[Any] | None = None


@dataclasses.dataclass
class BoxScores:
    """Sums over the images of a split.

    Attributes:
        split: name of the split that ground truth came from.
        threshold: the fixed one.
        images: number of images with boxes or masks.
    """

    split: str
    threshold: Threshold
    step: dataclasses.InitVar[float]
    images: int = 0

    def __post_init__(self, step: float) -> None:
        """Start with no image."""
        self.sweep = MaxBoxAccuracy(step=step)
        self.fixed = {
            "largest contour": BoxAccuracy(),
            "all contours": BoxAccuracy(),
            "largest component (BAS)": BoxAccuracy(),
        }
        self.drawn = BoxAccuracy()
        self.blind = CenterBoxAccuracy()
        self.pixels = PixelScores()
        self.with_masks = 0

    def add(self, answer: Answer, boxes: NDArray[np.int64], mask: NDArray[np.uint8] | None) -> None:
        """Count one image; ``boxes`` (n, 4), perhaps none, and ``mask`` lie on the grid."""
        self.images += 1
        if len(boxes):
            at = self.threshold.value or 0.0
            self.sweep.update(answer.cubic, boxes, rank=answer.rank)
            found: dict[str, NDArray[np.int64] | Box] = {
                "largest contour": boxes_at_threshold(answer.cubic, at, contours="largest"),
                "all contours": boxes_at_threshold(answer.cubic, at),
                "largest component (BAS)": largest_component_box(answer.bilinear, threshold=at),
            }
            for name, metric in self.fixed.items():
                metric.update(found[name], boxes, rank=answer.rank)
            if answer.border is not None:
                drawn = largest_component_box(answer.border, threshold=0)
                self.drawn.update(drawn, boxes, rank=answer.rank)
            self.blind.update(boxes, rank=answer.rank)
        if mask is not None:
            self.with_masks += 1
            self.pixels.update(answer.cubic, mask)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each rule that makes boxes: its threshold, who chose it, and accuracies in percent."""
        if not self.sweep.images:
            return []
        best = self.sweep.best_thresholds()
        oracle = oracle_threshold(0.0, self.split).chosen_by
        rows = []
        for name, variant in (("largest contour (MaxBoxAcc)", "v1"), ("all contours (MaxBoxAccV2)", "v2")):
            tops = {
                f"top{k}": float(self.sweep.top(k)[variant][_KNOWN]) if self.sweep.ranked else None
                for k in TOP
            }
            values = self.sweep.compute()[variant]
            rows.append(_row(name, [round(float(one), 6) for one in best[variant]], oracle, values, **tops))
        fixed = (self.threshold.value, self.threshold.chosen_by)
        rules = [(name, *fixed, metric) for name, metric in self.fixed.items()]
        if self.drawn.images:
            rules.append(("border of the method, largest component", None, "", self.drawn))
        for name, threshold, chosen, metric in rules:
            found = metric.compute()
            tops = {f"top{k}": found[f"top{k}"] for k in TOP}
            rows.append(_row(name, threshold, chosen, found["accuracy"], **tops))
        blind = self.blind.compute()
        rows.append(_row("baseline: the whole image", None, "", blind["full_image"]))
        rows.append(_row("baseline: middle, half of the area", None, "", blind["center_half"]))
        rows.append(_row("baseline: middle, best size", None, oracle, blind["center_oracle"]))
        return rows

    def figures(self) -> dict[str, Any]:
        """All of it, for programs: accuracies in percent; thresholds in [0, 1]."""
        figures: dict[str, Any] = {"images": self.images, "split": self.split, "boxes": self.rows()}
        if self.with_masks:
            chosen = {"chosen_by": oracle_threshold(0.0, self.split).chosen_by}
            figures["pixels"] = self.pixels.compute() | self.pixels.peak() | chosen
        return figures

    def curve(self) -> list[dict[str, Any]]:
        """Accuracy at each threshold: of the largest contour and of all, one row each."""
        if not self.sweep.images:
            return []
        curves = self.sweep.curves()
        return [
            {
                "threshold": round(float(threshold), 6),
                **{
                    f"{variant}_{round(100 * iou)}": float(curves[variant][at, index])
                    for variant in curves
                    for at, iou in enumerate(IOUS)
                },
            }
            for index, threshold in enumerate(self.sweep.thresholds)
        ]


def score_boxes(
    read: Callable[[str], Answer],
    dataset: LocalizationDataSet,
    split: str,
    *,
    threshold: Threshold,
    step: float = 0.01,
) -> BoxScores:
    """Score a map for each image of a split, on the published grid of 224 x 224.

    Args:
        read: gives the answer for an image id.
        dataset: holds boxes, masks or both.
        split: name of a split.
        threshold: a fixed one, in [0, 1).
        step: distance of the thresholds that the oracle chooses from.

    Raises:
        DataError: no image has boxes or masks.
    """
    scores = BoxScores(split, threshold, step)
    ids = [one for one in dataset.ids(split) if len(dataset.boxes(one)) or dataset.has_masks(one)]
    if not ids:
        raise DataError(
            f"expected boxes or masks for images of split {split} of {dataset.name}, found none: "
            "choose another with --split, or add localization.txt"
        )
    for image_id in track(ids, "score boxes"):
        boxes = resize_boxes(dataset.boxes(image_id), dataset.size(image_id), GRID)
        mask = dataset.object_mask(image_id, size=GRID) if dataset.has_masks(image_id) else None
        scores.add(read(image_id), boxes, mask)
    return scores


def seed_reader(
    artifact: Artifact, dataset: LocalizationDataSet, image_ids: Sequence[str]
) -> Callable[[str], Answer]:
    """What published seeds say of the images of a localisation set.

    Seeds of another data set of the same images will do: an image is found with or without its suffix, and a
    class by its name. Of an image the map of its class counts, else its class-agnostic map, else nothing.

    Args:
        artifact: published seeds.
        dataset: the localisation set.
        image_ids: images that must have seeds.

    Raises:
        DataError: images have no seeds, or a class is none of the seeds'.
    """
    published = set(artifact.ids)
    seed_of = {one: name for one in image_ids for name in (_stem(one), one) if name in published}
    missing = [one for one in image_ids if one not in seed_of]
    if missing:
        raise DataError(
            f"expected seeds for {len(image_ids)} images in {artifact.dir}, missing {name_some(missing)}: "
            f"they cover split {artifact.split}; choose it with --split, or make seeds of this one"
        )
    classes = list(artifact.manifest.get("classes", dataset.classes))
    unknown = sorted(set(dataset.classes) - set(classes))
    if unknown:
        raise DataError(
            f"expected seeds of all classes of {dataset.name} in {artifact.dir}, missing "
            f"{name_some(unknown)}: use seeds of this data set"
        )

    def read(image_id: str) -> Answer:
        seed = read_seed(artifact.file(seed_of[image_id]))
        if seed.size != dataset.size(image_id):
            raise DataError(
                f"expected a seed of size {dataset.size(image_id)}, got {seed.size} for {image_id}: "
                "check its file"
            )
        label = classes.index(dataset.classes[dataset.tags(image_id)[0] - 1]) + 1
        is_own = seed.classes == label
        rank = None if seed.logits is None else class_rank(seed.logits, label - 1)
        if seed.outside is not None and is_own.any():
            signed = seed.maps[is_own][0] - seed.outside[is_own][0]
            border = cv2.resize(signed, GRID[::-1], interpolation=cv2.INTER_LINEAR)
            return dataclasses.replace(_answer(signed, rank), border=border)
        score_map = seed.maps[is_own][0] if is_own.any() else seed.foreground
        return _answer(np.zeros((1, 1), np.float32) if score_map is None else score_map, rank)

    return read


def file_reader(folder: Path, image_ids: Sequence[str]) -> Callable[[str], Answer]:
    """What a folder of score maps in wsolevaluation's form says: ``ID.npy``, the id with its suffix.

    Maps of 224 x 224 are taken as they are, others are brought to it.

    Args:
        folder: of the score maps.
        image_ids: images that must have one.

    Raises:
        DataError: images have no score map.
    """
    missing = [one for one in image_ids if not _map_file(folder, one).is_file()]
    if missing:
        raise DataError(
            f"expected a score map ID.npy for each of {len(image_ids)} images in {folder}, missing "
            f"{name_some(missing)}: np.save(folder / image_id, score_map) writes it"
        )

    def read(image_id: str) -> Answer:
        path = _map_file(folder, image_id)
        score_map = _read_score_map(path)
        return Answer(score_map, score_map) if score_map.shape == GRID else _answer(score_map, None)

    return read


def _map_file(folder: Path, image_id: str) -> Path:
    return folder / f"{image_id}.npy"


def _read_score_map(path: Path) -> NDArray[Any]:
    try:
        score_map = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"expected a .npy of a score map at {path}, got: {error}: write it again") from error
    is_map = score_map.ndim == 2 and score_map.size > 0 and score_map.dtype.kind == "f"
    if not is_map or not (score_map.min() >= 0 and score_map.max() <= 1):
        what = f"{score_map.dtype} {score_map.shape}"
        values = f", {score_map.min():.3g} to {score_map.max():.3g}" if is_map else ""
        raise DataError(
            f"expected a score map (h, w) of floats in [0, 1] at {path}, got {what}{values}: normalize it"
        )
    return np.asarray(score_map)


def _answer(score_map: NDArray[Any], rank: int | None) -> Answer:
    return Answer(normalize_score_map(score_map, GRID), normalize_then_enlarge(score_map, GRID), rank)


def _stem(image_id: str) -> str:
    folder, dot, suffix = image_id.rpartition(".")
    return folder if dot and "/" not in suffix else image_id


def _row(
    rule: str,
    threshold: Any,
    chosen_by: str,
    accuracy: NDArray[np.float64],
    *,
    top1: float | None = None,
    top5: float | None = None,
) -> dict[str, Any]:
    values = {f"iou_{round(100 * iou)}": float(value) for iou, value in zip(IOUS, accuracy, strict=True)}
    return {
        "rule": rule,
        "threshold": threshold,
        "chosen_by": chosen_by,
        **values,
        "mean": float(accuracy.mean()),
        "top1": top1,
        "top5": top5,
    }
