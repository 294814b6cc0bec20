"""Localisation data from a segmentation set in VOC's layout: images of one class, boxes of their masks."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsss.artifacts import IGNORE
from wsss.datasets.layouts import Located
from wsss.datasets.localization import LocalizationDataSet
from wsss.datasets.made import ensure_made
from wsss.datasets.voc import VocDataSet
from wsss.datasets.wsol_build import MASKS, METADATA, component_boxes, write_masks, write_split
from wsss.log import logger
from wsss.paths import resolve_path
from wsss.progress import track

# Goes up whenever what is written changes.
_VERSION = 1
# Parts of less than this share of the object are cut-off pieces; nobody would draw a box around them.
_LEAST = 0.1


class VocBoxesDataSet(LocalizationDataSet):
    """Images of a VOC folder whose mask has exactly one class, with a box for each notable part of it.

    ILSVRC has a box for each object and asks for any of them; VOC's own masks part touching objects by
    ignored pixels, so a connected part is mostly an object. A single box around all would call it wrong to
    find one of two sheep.
    """

    def __init__(
        self,
        root: str | Path = "data/voc_boxes",
        *,
        images: str | Path = "data/VOCdevkit/VOC2012",
        labels: str | Path | None = None,
        splits: Sequence[str] = ("train", "train_aug", "val"),
        counts: Mapping[str, int] | None = None,
        name: str = "voc_boxes",
    ) -> None:
        """Open the folder; write it first if it is not there or was made otherwise.

        Args:
            root: folder to write lists and masks to; relative to the project root.
            images: folder in VOC's layout; images are read from there.
            labels: as in `VocDataSet`.
            splits: lists of that folder. The classes are those with images in the first one; images of others
                are left out.
            counts: split -> number of images it must have. Splits that are not named are not checked.
            name: name of the data set.

        Raises:
            DataError: the images are not there, a mask is missing or broken, or the folder cannot be written.
        """
        voc = VocDataSet(images, labels=labels, name=name)
        folder = resolve_path(root)
        listed = {split: voc.ids(split) for split in splits}
        settings = {
            "version": _VERSION,
            "least": _LEAST,
            "lists": {
                split: hashlib.sha256("\n".join(ids).encode()).hexdigest() for split, ids in listed.items()
            },
        }
        ensure_made(folder, settings, functools.partial(_write, voc, listed), what=f"data set {name}")
        super().__init__(
            voc.root / "JPEGImages",
            metadata=folder / METADATA,
            masks=folder / MASKS,
            counts=counts,
            name=name,
        )


def _write(voc: VocDataSet, listed: Mapping[str, Sequence[str]], folder: Path) -> None:
    wanted = dict.fromkeys(one for ids in listed.values() for one in ids)
    found: dict[str, dict[str, Any]] = {}
    for image_id in track(wanted, "masks of one class", total=len(wanted)):
        if voc.mask_path(image_id) is None:
            continue
        mask = voc.truth(image_id)
        labels = np.setdiff1d(mask, [0, IGNORE])
        if len(labels) == 1:
            boxes = component_boxes(mask == labels[0], least=_LEAST)
            found[image_id] = {"label": int(labels[0]), "size": mask.shape, "boxes": boxes}
    first = next(iter(listed))
    used = sorted({found[one]["label"] for one in listed[first] if one in found})
    new_label = {label: index for index, label in enumerate(used, start=1)}
    classes = [voc.classes[label - 1] for label in used]
    written = set()
    for split, ids in listed.items():
        kept = [one for one in ids if one in found and found[one]["label"] in new_label]
        lost = sum(one in found for one in ids) - len(kept)
        if lost:
            logger.info("%s: %d images of classes without images in %s are left out", split, lost, first)
        for image_id in kept:
            if image_id not in written:
                written.add(image_id)
                stored = found[image_id]["label"]
                mask = voc.truth(image_id)
                write_masks(folder, f"{image_id}.jpg", np.where(mask == stored, new_label[stored], mask))
        located = {
            f"{one}.jpg": Located(**found[one] | {"label": new_label[found[one]["label"]]}) for one in kept
        }
        write_split(folder, split, located, classes)
