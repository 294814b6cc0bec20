"""The gallery of a page: cards with stacked layers, and what they can be sorted by."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import IGNORE
from wsss.datasets import DataSet
from wsss.metrics import confusion_matrix, mean_iou
from wsss.progress import track
from wsss.report.entries import spread
from wsss.report.layers import TRUTH, Entry, Layers, read_layers
from wsss.report.pictures import embed_image, embed_layer


@dataclasses.dataclass
class Gallery:
    """Cards and controls of a page.

    Attributes:
        cards: one per image and split: ``image_id``, ``split``, ``tags``, ``labels``, ``image``, ``layers``,
            ``scores``, ``values`` (what it can be sorted by, as JSON).
        layers: names of all layers, in the order of the pipeline.
        groups: name of an entry -> its layers, as (number on the page from 1, name within the entry).
        shown: names of those that are shown at first.
        sorts: what cards can be sorted by: (name, index into ``values``, -1 for descending).
        splits: names of the splits.
        foreground: name of an entry -> share of the pixels with a class, for each picture.
    """

    cards: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    layers: list[str] = dataclasses.field(default_factory=list)
    groups: dict[str, list[tuple[int, str]]] = dataclasses.field(default_factory=dict)
    shown: list[str] = dataclasses.field(default_factory=list)
    sorts: list[tuple[str, int, int]] = dataclasses.field(default_factory=list)
    splits: list[str] = dataclasses.field(default_factory=list)
    foreground: dict[str, list[float]] = dataclasses.field(default_factory=dict)


def make_gallery(entries: Sequence[Entry], dataset: DataSet, *, pictures: int, side: int) -> Gallery:
    """Read and draw some images of each split.

    Args:
        entries: what to show.
        dataset: where images and ground truth are.
        pictures: images of each split, evenly spread over it.
        side: longer side of the pictures in pixels.

    Raises:
        WsssError: an image or a file of it cannot be read.
    """
    gallery = Gallery(splits=list(dict.fromkeys(one.artifact.split for one in entries)))
    chosen = [
        (split, image_id)
        for split in gallery.splits
        for image_id in spread(_ids_of(split, entries), pictures)
    ]
    names: dict[str, None] = {}
    for split, image_id in track(chosen, "draw pictures"):
        shown = [one for one in entries if one.artifact.split == split]
        read = read_layers(shown, image_id, dataset)
        names |= dict.fromkeys(layer.name for layer in read.layers)
        gallery.cards.append(_card(read, split, dataset, side))
        for name, labels in _labels(read, entries):
            gallery.foreground.setdefault(name, []).append(float(((labels != 0) & (labels != IGNORE)).mean()))
    gallery.layers = _in_order(names, entries)
    gallery.groups = _group(gallery.layers, entries)
    gallery.shown = _first_shown(gallery.layers, entries)
    _measure(gallery, entries)
    return gallery


def _ids_of(split: str, entries: Sequence[Entry]) -> list[str]:
    """Images of all entries of a split, those of the first entry first."""
    shown = [one.artifact.ids for one in entries if one.artifact.split == split]
    return list(dict.fromkeys(itertools.chain.from_iterable(shown)))


def _card(read: Layers, split: str, dataset: DataSet, side: int) -> dict[str, Any]:
    labels = set(dataset.tags(read.image_id))
    truth = next((one.values for one in read.layers if one.name == TRUTH), None)
    if truth is not None:
        labels |= set(np.unique(truth).tolist()) - {0, IGNORE}
    height, width = read.image.shape[:2]
    seen: set[str] = set()
    layers = []
    for layer in read.layers:
        # Of several classes' maps one is shown at a time; the page's script changes which.
        hidden = layer.label is not None and layer.name in seen
        seen.add(layer.name)
        layers.append(
            {
                "name": layer.name,
                "label": layer.label,
                "hidden": hidden,
                "smooth": layer.style == "heat",
                "src": embed_layer(layer, side),
            }
        )
    mapped = sorted({layer.label for layer in read.layers if layer.label is not None})
    return {
        "image_id": read.image_id,
        "split": split,
        "tags": [(dataset.classes[label - 1], label) for label in sorted(labels)],
        "tagged": read.tags,
        "mapped": mapped,
        "labels": " ".join(str(label) for label in sorted(labels)),
        "width": width,
        "height": height,
        "image": embed_image(read.image, side),
        "layers": layers,
        "measures": _measures(read, len(dataset.classes)),
    }


def _labels(read: Layers, entries: Sequence[Entry]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The label map that each entry stands for."""
    names = {one.name for one in entries}
    for layer in read.layers:
        if layer.name in names:
            yield layer.name, layer.values.astype(np.uint8)


def _measures(read: Layers, num_classes: int) -> dict[str, Any]:
    """Score each label map on this image, and compare them with one another."""
    styles = {layer.name: layer for layer in read.layers if layer.style == "labels"}
    truth = styles.pop(TRUTH, None)
    labels = {
        name: np.where(layer.values == IGNORE, 0, layer.values).astype(np.uint8)
        for name, layer in styles.items()
    }
    scores = {}
    if truth is not None:
        for name, one in labels.items():
            value = mean_iou(confusion_matrix(one, truth.values, num_classes))
            scores[name] = None if np.isnan(value) else value
    changed = {
        (first, second): float((labels[first] != labels[second]).mean())
        for first, second in itertools.combinations(labels, 2)
    }
    return {"scores": scores, "changed": changed}


def _measure(gallery: Gallery, entries: Sequence[Entry]) -> None:
    """Give each card the values that it can be sorted by, and name them."""
    names = [one.name for one in entries]
    values: list[tuple[str, int, list[float | None]]] = []
    for name in names:
        scores = [card["measures"]["scores"].get(name) for card in gallery.cards]
        values += [(f"{name}: worst", 1, scores), (f"{name}: best", -1, scores)]
    for first, second in itertools.combinations(names, 2):
        gains = [_gain(card["measures"]["scores"], first, second) for card in gallery.cards]
        values += [
            (f"{first} → {second}: most gained", -1, gains),
            (f"{first} → {second}: most lost", 1, gains),
        ]
        changes = [card["measures"]["changed"].get((first, second)) for card in gallery.cards]
        values.append((f"{first} → {second}: most changed", -1, changes))
    kept = [one for one in values if any(value is not None for value in one[2])]
    columns: list[list[float | None]] = []
    for name, sign, column in kept:
        if not columns or columns[-1] is not column:
            columns.append(column)
        gallery.sorts.append((name, len(columns) - 1, sign))
    for number, card in enumerate(gallery.cards):
        own = [column[number] for column in columns]
        card["values"] = json.dumps([None if one is None else round(one, 4) for one in own])
        card["scores"] = {
            name: card["measures"]["scores"][name] for name in names if name in card["measures"]["scores"]
        }


def _gain(scores: Mapping[str, float | None], first: str, second: str) -> float | None:
    before, after = scores.get(first), scores.get(second)
    return None if before is None or after is None else after - before


_LABELS = {"seeds": "labels", "masks": "mask", "segment": "prediction"}


def _in_order(names: Iterable[str], entries: Sequence[Entry]) -> list[str]:
    """Names of layers by entry, as they come within one; ground truth first."""
    order = ["", *(one.name for one in entries)]
    return sorted(names, key=lambda name: order.index(_owner(name, entries)))


def _owner(layer: str, entries: Sequence[Entry]) -> str:
    """Name of the entry that a layer is of: the longest that it begins with; none for ground truth."""
    names = [one.name for one in entries if layer == one.name or layer.startswith(f"{one.name}: ")]
    return max(names, key=len, default="")


def _group(layers: Sequence[str], entries: Sequence[Entry]) -> dict[str, list[tuple[int, str]]]:
    kinds = {one.name: one.artifact.kind for one in entries}
    groups: dict[str, list[tuple[int, str]]] = {}
    for number, layer in enumerate(layers, start=1):
        owner = _owner(layer, entries)
        short = _LABELS[kinds[owner]] if layer == owner else layer.removeprefix(f"{owner}: ")
        groups.setdefault(owner, []).append((number, short))
    return groups


def _first_shown(layers: Sequence[str], entries: Sequence[Entry]) -> list[str]:
    """Of each split the last label map of the pipeline; seeds where there is nothing later."""
    last = {one.artifact.split: one.name for one in entries if one.artifact.dir.name != "segment-full"}
    return [name for name in layers if name in last.values()]
