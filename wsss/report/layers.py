"""All that is known of one image, as layers: maps, labels, edges, ground truth and errors."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import IGNORE, Artifact, Seed, read_mask, read_seed
from wsss.datasets import DataSet
from wsss.errors import ArtifactError
from wsss.images import read_image
from wsss.thresholds import Threshold

# Values of an error map.
RIGHT, FALSE, MISSED, CONFUSED = 0, 1, 2, 3
TRUTH = "ground truth"
_OWN_THRESHOLD = 0.3  # of seeds that say none, as IRN's confident foreground


@dataclasses.dataclass(frozen=True)
class Layer:
    """One picture of an image.

    Attributes:
        name: ``seeds: class map``, ``masks``, ``ground truth``; the same for all images.
        style: how ``values`` are meant: ``heat`` (a soft map), ``labels`` or ``errors``.
        values: (h, w) float32 in [0, 1], any resolution, for ``heat``; (H, W) uint8 for the others: labels,
            or 0 right, 1 foreground where there is none, 2 missed, 3 another class.
        label: the class that a soft map is of; None where it is of no class.
    """

    name: str
    style: Literal["heat", "labels", "errors"]
    values: NDArray[np.float32] | NDArray[np.uint8]
    label: int | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A published folder on a page, under the name that the page gives it."""

    name: str
    artifact: Artifact

    @property
    def threshold(self) -> Threshold:
        """Where these seeds are cut into labels: as published, else a fixed one."""
        thresholds = self.artifact.manifest.get("thresholds", {})
        for name in ("seed", "seed_fixed"):
            found = Threshold.of_json(thresholds.get(name))
            if found is not None and found.value is not None:
                return found
        return Threshold(_OWN_THRESHOLD, "fixed")

    def labels(self, image_id: str) -> NDArray[np.uint8]:
        """The label map (H, W) uint8 of one image: as stored, or seeds at their threshold.

        Raises:
            ArtifactError: the file is absent or damaged.
        """
        file = self.artifact.file(image_id)
        if self.artifact.kind != "seeds":
            return read_mask(file)
        return cut_seed(read_seed(file), float(self.threshold.value or 0))


@dataclasses.dataclass(frozen=True)
class Layers:
    """An image with all its layers.

    Attributes:
        image_id: the image.
        image: (H, W, 3) uint8 RGB.
        tags: names of its classes.
        layers: in the order of the pipeline.
    """

    image_id: str
    image: NDArray[np.uint8]
    tags: tuple[str, ...]
    layers: tuple[Layer, ...]


def cut_seed(seed: Seed, threshold: float) -> NDArray[np.uint8]:
    """Label each pixel with the class of the highest map where it is above a threshold.

    Args:
        seed: soft maps.
        threshold: in [0, 1].

    Returns:
        (H, W) uint8, 0 background or a class.
    """
    if len(seed.classes) == 0:
        return np.zeros(seed.size, np.uint8)
    maps = seed.upsample()
    return np.where(maps.max(axis=0) > threshold, seed.classes[maps.argmax(axis=0)], 0).astype(np.uint8)


def error_map(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where a label map is wrong, and how.

    Args:
        prediction: (H, W) uint8; 255 counts as background.
        truth: (H, W) uint8; pixels of 255 are right.

    Returns:
        (H, W) uint8: 0 right, 1 foreground on background, 2 background on foreground, 3 another class.

    >>> error_map(np.uint8([[0, 1, 0, 2, 1]]), np.uint8([[0, 0, 1, 1, 255]]))
    array([[0, 1, 2, 3, 0]], dtype=uint8)
    """
    predicted = np.where(prediction == IGNORE, 0, prediction)
    wrong = (predicted != truth) & (truth != IGNORE)
    kind = np.where(truth == 0, FALSE, np.where(predicted == 0, MISSED, CONFUSED))
    return np.where(wrong, kind, RIGHT).astype(np.uint8)


def read_layers(entries: Sequence[Entry], image_id: str, dataset: DataSet) -> Layers:
    """Read all that published folders hold of one image, and its ground truth where there is any.

    Args:
        entries: the folders; those without the image are passed over.
        image_id: the image.
        dataset: where images, tags and ground truth are.

    Raises:
        DataError: the image cannot be read.
        ArtifactError: a file is damaged, or of another size than the image.
    """
    image = read_image(dataset.image_file(image_id))
    has_truth = dataset.mask_path(image_id) is not None
    truth = dataset.truth(image_id, size=image.shape[:2]) if has_truth else None
    layers: list[Layer] = []
    for entry in entries:
        if image_id in entry.artifact.ids:
            layers += _layers_of(entry, image_id, image.shape[:2], truth)
    if truth is not None:
        layers.append(Layer(TRUTH, "labels", truth))
    tags = tuple(dataset.classes[label - 1] for label in dataset.tags(image_id))
    return Layers(image_id, image, tags, tuple(layers))


def _layers_of(
    entry: Entry, image_id: str, size: tuple[int, ...], truth: NDArray[np.uint8] | None
) -> list[Layer]:
    """Layers of one folder, the labels that it stands for and their errors last."""
    name, artifact = entry.name, entry.artifact
    labels = entry.labels(image_id)
    if labels.shape != tuple(size):
        raise ArtifactError(
            f"expected {artifact.file(image_id)} of size {tuple(size)}, got {labels.shape}: it is another "
            "image's, make it anew"
        )
    layers: list[Layer] = []
    if artifact.kind == "seeds":
        layers += _soft(f"{name}: class map", read_seed(artifact.file(image_id)), f"{name}: foreground")
    elif artifact.kind == "masks":
        layers += _layers_of_masks(name, artifact.dir, image_id)
    else:
        folder = artifact.dir / "probabilities" / artifact.split
        layers += _stored_soft(f"{name}: probability", folder / f"{image_id}.npz")
        crf = artifact.dir / "predictions_crf" / artifact.split / f"{image_id}.png"
        if crf.is_file():
            layers.append(Layer(f"{name}: with CRF", "labels", read_mask(crf)))
    layers.append(Layer(name, "labels", labels))
    if truth is not None:
        layers.append(Layer(f"{name}: errors", "errors", error_map(labels, truth)))
    return layers


def _layers_of_masks(name: str, folder: Path, image_id: str) -> list[Layer]:
    """What masks are made from, as far as their method keeps it."""
    layers: list[Layer] = []
    confident = folder / "confident" / f"{image_id}.png"
    if confident.is_file():
        layers.append(Layer(f"{name}: confident label", "labels", read_mask(confident)))
    edge = folder / "edge" / f"{image_id}.png"
    gray = cv2.imread(str(edge), cv2.IMREAD_UNCHANGED) if edge.is_file() else None
    if gray is not None and gray.ndim == 2:
        values = gray.astype(np.float32) / np.float32(65535 if gray.dtype == np.uint16 else 255)
        layers.append(Layer(f"{name}: edges", "heat", values))
    return layers + _stored_soft(f"{name}: walk", folder / "walk" / f"{image_id}.npz")


def _stored_soft(name: str, file: Path) -> list[Layer]:
    return _soft(name, read_seed(file)) if file.is_file() else []


def _soft(name: str, seed: Seed, foreground: str = "") -> list[Layer]:
    """A layer for each class's map, and one for the class-agnostic map."""
    layers = [
        Layer(name, "heat", one, int(label)) for label, one in zip(seed.classes, seed.maps, strict=True)
    ]
    if foreground and seed.foreground is not None:
        layers.append(Layer(foreground, "heat", seed.foreground))
    return layers
