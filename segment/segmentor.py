"""A trained network as one object: opened from a published folder or one packed file, it predicts images."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from numpy.typing import NDArray
from torch import nn

from segment.infer import predict_batch
from segment.network import build_network, load_network, plain_model
from segment.stage import CONFIG, prediction_settings
from segment.train import NETWORK
from wsss.artifacts import atomic_write, open_artifact
from wsss.config_data import read_config_data
from wsss.crf import crf_probabilities
from wsss.datasets.tables import likeness
from wsss.errors import ArtifactError, ConfigError
from wsss.weights import reason_of

# Longer sides go through windows: probabilities take 4 (C + 1) bytes a pixel, several times over.
WINDOW = 1536
# Context around what is kept of a window.
MARGIN = 192
_FORMAT = "wsss segmentor 1"
_ENTRIES = ("format", "description", "state_dict")


@dataclasses.dataclass(frozen=True)
class Segmentor:
    """A network that labels pixels, with what it needs to be used without the run that trained it.

    Attributes:
        network: segmentor of mmsegmentation in evaluation mode, on the device that is there.
        classes: names of the labels 1..C; 0 is background.
        model: settings that the network is built from, plain values.
        infer: settings that its published predictions were made with: ``scales``, ``flip``, ``crf`` ...
        facts: what is known of it: figures with their split, supervision, key and code of the artifact.
    """

    network: nn.Module
    classes: tuple[str, ...]
    model: Mapping[str, Any]
    infer: Mapping[str, Any]
    facts: Mapping[str, Any]

    def probabilities(
        self, image: NDArray[np.uint8], *, scales: Sequence[float] | None = None, flip: bool | None = None
    ) -> NDArray[np.float32]:
        """Mean softmax over scales and flips: `batch_probabilities` of one image, (C+1, H, W)."""
        return self.batch_probabilities([image], scales=scales, flip=flip)[0]

    def batch_probabilities(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        scales: Sequence[float] | None = None,
        flip: bool | None = None,
    ) -> NDArray[np.float32]:
        """Mean softmax over scales and flips.

        Args:
            images: B of (H, W, 3) uint8 RGB, all of one size.
            scales: factors on the image's size; None: those of the published predictions.
            flip: add the horizontal flip of each scale; None: as the published predictions.

        Returns:
            (B, C+1, H, W) float32 in [0, 1], sums of 1 over the labels.
        """
        return predict_batch(
            self.network,
            images,
            scales=self.infer["scales"] if scales is None else scales,
            flip=bool(self.infer["flip"]) if flip is None else flip,
        )

    def predict(
        self,
        image: NDArray[np.uint8],
        *,
        tags: Iterable[str] | None = None,
        scales: Sequence[float] | None = None,
        flip: bool | None = None,
        crf: bool | None = None,
        window: int = WINDOW,
    ) -> NDArray[np.uint8]:
        """Label each pixel.

        Images with a side above ``window`` are cut into overlapping windows, so that the memory does not
        grow with the image but for the image and its labels.

        Args:
            image: (H, W, 3) uint8 RGB.
            tags: names of the classes that the image may have; None: all.
            scales: as in `batch_probabilities`.
            flip: as in `batch_probabilities`.
            crf: sharpen with the dense CRF; None: as the published predictions.
            window: longest side that is predicted at once, in pixels.

        Returns:
            (H, W) uint8 labels 0..C.

        Raises:
            ConfigError: a tag is no class of the network, or the window is too small.
        """
        if window <= 2 * MARGIN:
            raise ConfigError(f"expected a window above {2 * MARGIN} pixels, got {window}: correct it")
        labels = np.zeros(image.shape[:2], np.uint8)
        for rows in _spans(image.shape[0], window):
            for columns in _spans(image.shape[1], window):
                part = np.ascontiguousarray(image[rows.begin : rows.end, columns.begin : columns.end])
                found = self.probabilities(part, scales=scales, flip=flip)
                part_labels = self.label(part, found, tags=tags, crf=crf)
                labels[rows.kept, columns.kept] = part_labels[rows.inside, columns.inside]
        return labels

    def label(
        self,
        image: NDArray[np.uint8],
        probabilities: NDArray[np.float32],
        *,
        tags: Iterable[str] | None = None,
        crf: bool | None = None,
    ) -> NDArray[np.uint8]:
        """Labels of an image whose probabilities are known.

        Args:
            image: (H, W, 3) uint8 RGB.
            probabilities: (C+1, H, W) float32 in [0, 1].
            tags: as in `predict`.
            crf: as in `predict`.

        Returns:
            (H, W) uint8 labels 0..C.

        Raises:
            ConfigError: a tag is no class of the network.
        """
        allowed = self._allowed(tags)
        left = probabilities[allowed]
        if bool(self.infer.get("crf", False)) if crf is None else crf:
            total = np.maximum(left.sum(axis=0, keepdims=True), np.finfo(np.float32).tiny)
            left = crf_probabilities(image, left if allowed.all() else left / total)
        labels: NDArray[np.uint8] = np.flatnonzero(allowed)[left.argmax(axis=0)].astype(np.uint8)
        return labels

    def _allowed(self, tags: Iterable[str] | None) -> NDArray[np.bool_]:
        """(C+1,) which labels an image may have."""
        allowed = np.full(len(self.classes) + 1, tags is None)
        allowed[0] = True
        names = {likeness(name): label for label, name in enumerate(self.classes, start=1)}
        for tag in tags or ():
            if likeness(tag) not in names:
                raise ConfigError(
                    f"expected tags out of the network's classes ({', '.join(self.classes[:5])}, ...), got "
                    f"{tag!r}: correct or drop it"
                )
            allowed[names[likeness(tag)]] = True
        return allowed


def load_segmentor(path: str | Path) -> Segmentor:
    """Open a trained network, on the GPU where there is one; nothing in the file or folder is run.

    Args:
        path: a published folder of the stage ``segment``, or a file of `pack_segmentor`.

    Raises:
        ArtifactError: neither of the two, or damaged.
    """
    path = Path(path).expanduser().absolute()
    if path.is_file():
        return _unpack(path)
    return _open_published(path)


def pack_segmentor(segmentor: Segmentor, path: str | Path) -> None:
    """Write a network with all that it needs into one file, for `load_segmentor`.

    The file is a dict that ``torch.load(..., weights_only=True)`` reads: ``format``, ``description`` (JSON:
    classes, model, infer, facts) and ``state_dict``.

    Args:
        segmentor: the network.
        path: the file to write, atomically.

    Raises:
        ArtifactError: it cannot be written.
    """
    description = {key: getattr(segmentor, key) for key in ("classes", "model", "infer", "facts")}
    weights = {name: value.cpu() for name, value in segmentor.network.state_dict().items()}
    content = {
        "format": _FORMAT,
        "description": json.dumps(description, ensure_ascii=False),
        "state_dict": weights,
    }
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


def _open_published(folder: Path) -> Segmentor:
    artifact = open_artifact(folder)
    config_file, weights = folder / CONFIG, folder / "train" / NETWORK
    if artifact.kind != "segment" or not (config_file.is_file() and weights.is_file()):
        raise ArtifactError(
            f"expected a trained network ({CONFIG} and train/{NETWORK}) in {folder}, found none: "
            "run the stage segment, or give the folder that it published"
        )
    config = Config(read_config_data(config_file))
    for table in ("model", "infer"):
        if not isinstance(config.get(table), Mapping):
            raise ArtifactError(
                f"expected a table {table!r} in {config_file}, found none: run the stage segment again"
            )
    manifest = artifact.manifest
    model = plain_model(config.model, config_file)
    network: Any = load_network(model, weights)
    named = manifest.get("classes") or [f"class {label}" for label in range(1, network.num_classes)]
    known = ("figures", "split", "dataset", "supervision", "initialisation", "key", "code")
    return Segmentor(
        network,
        tuple(named),
        model,
        prediction_settings(config),
        {key: manifest[key] for key in known if key in manifest},
    )


def _unpack(file: Path) -> Segmentor:
    advice = "give a file of wsss pack, or the folder that the stage segment published"
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or any(key not in content for key in _ENTRIES):
            raise ValueError("other content")
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
        description = json.loads(content["description"])
        classes, infer = tuple(map(str, description["classes"])), dict(description["infer"])
        model, facts = description["model"], dict(description["facts"])
        if not (infer["scales"] and all(float(one) > 0 for one in infer["scales"])):
            raise ValueError("no scale")
        if not isinstance(infer["flip"], bool):
            raise ValueError(f"flip {infer['flip']!r}")
        plain = plain_model(ConfigDict(model), file)
        network: Any = build_network(plain)
        network.load_state_dict(content["state_dict"])
        if network.num_classes != len(classes) + 1:
            raise ValueError(f"{len(classes)} classes for {network.num_classes} labels")
    except ArtifactError:
        raise
    # A damaged file may raise nearly anything, whichever bytes were hit.
    except Exception as error:
        raise ArtifactError(
            f"expected a packed network at {file}, got: {reason_of(error)}: {advice}"
        ) from error
    return Segmentor(network, classes, plain, infer, facts)


@dataclasses.dataclass(frozen=True)
class _Span:
    """One window along one side: what is predicted, and what of it is kept."""

    begin: int
    end: int
    kept: slice

    @property
    def inside(self) -> slice:
        """What is kept, counted from the window's begin."""
        return slice(self.kept.start - self.begin, self.kept.stop - self.begin)


def _spans(length: int, window: int) -> list[_Span]:
    """Windows of one size along a side, evenly spread; neighbours meet in the middle of their overlap."""
    if length <= window:
        return [_Span(0, length, slice(0, length))]
    count = -(-(length - 2 * MARGIN) // (window - 2 * MARGIN))
    begins = [round(number * (length - window) / (count - 1)) for number in range(count)]
    edges = [
        0,
        *((left + window + right) // 2 for left, right in itertools.pairwise(begins)),
        length,
    ]
    return [
        _Span(begin, begin + window, slice(edges[number], edges[number + 1]))
        for number, begin in enumerate(begins)
    ]
