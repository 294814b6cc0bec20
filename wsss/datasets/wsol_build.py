"""Localisation sets made from masks, in wsolevaluation's layout, so that other tools can read them too.

``metadata/SPLIT`` has the lists with boxes, ``metadata_masks/SPLIT`` those with masks: one file of an image's
object (``objects/ID.png``) and one of its ignored pixels (``ignored/ID.png``), 0 and 255. ``masks/ID.png``
holds both as a label map (docs/artifacts.md).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import IGNORE, write_mask
from wsss.datasets.layouts import CLASSES, IDS, LABELS, PLACES, SIZES, Located
from wsss.localization.boxes import Box

METADATA, MASKS = "metadata", "masks"
_MASK_METADATA, _OBJECTS, _IGNORED = "metadata_masks", "objects", "ignored"


def write_split(folder: Path, split: str, images: Mapping[str, Located], classes: Sequence[str]) -> None:
    """Write the lists of one split, with boxes and with masks; the masks are those of `write_masks`.

    Args:
        folder: of the set.
        split: name of the split.
        images: image id -> label, size and boxes, in the order of the lists.
        classes: names of all classes.
    """
    write_lists(folder / METADATA / split, images, folder)
    masked = {
        image_id: dataclasses.replace(
            one,
            boxes=(),
            masks=(folder / _OBJECTS / _png(image_id),),
            ignore=folder / _IGNORED / _png(image_id),
        )
        for image_id, one in images.items()
    }
    write_lists(folder / _MASK_METADATA / split, masked, folder)
    for metadata in (METADATA, _MASK_METADATA):
        (folder / metadata / CLASSES).write_text("".join(f"{one}\n" for one in classes), encoding="utf-8")


def write_lists(folder: Path, images: Mapping[str, Located], root: Path) -> None:
    """Write wsolevaluation's four lists.

    Args:
        folder: of the split.
        images: image id -> what the lists shall say; all with sizes, and all with boxes or all with masks.
        root: folder that the paths of masks start from.
    """
    rows: dict[str, list[str]] = {IDS: [], LABELS: [], SIZES: [], PLACES: []}
    for image_id, one in images.items():
        height, width = one.size or (0, 0)
        rows[IDS].append(image_id)
        rows[LABELS].append(f"{image_id},{one.label - 1}")
        rows[SIZES].append(f"{image_id},{width},{height}")
        rows[PLACES] += [f"{image_id},{x0},{y0},{x1},{y1}" for x0, y0, x1, y1 in one.boxes]
        for index, mask in enumerate(one.masks):
            ignore = "" if index or one.ignore is None else one.ignore.relative_to(root).as_posix()
            rows[PLACES].append(f"{image_id},{mask.relative_to(root).as_posix()},{ignore}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in rows.items():
        (folder / name).write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")


def write_masks(folder: Path, image_id: str, mask: NDArray[np.uint8]) -> None:
    """Write the label map of one image, and its object and ignored pixels for other tools.

    Args:
        folder: of the set.
        image_id: with suffix.
        mask: (H, W) uint8, 0 background, 255 ignore, else the label of the image's class.
    """
    write_mask(folder / MASKS / _png(image_id), mask)
    ignored = mask == IGNORE
    for name, pixels in ((_OBJECTS, (mask > 0) & ~ignored), (_IGNORED, ignored)):
        path = folder / name / _png(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 * pixels.astype(np.uint8)).save(path)


def component_boxes(pixels: NDArray[np.bool_], *, least: float) -> tuple[Box, ...]:
    """Boxes of an object's connected parts.

    Args:
        pixels: (H, W) bool.
        least: share of the pixels that a part must have to get a box, in [0, 1]; the largest part always
            gets one.

    Returns:
        x0 y0 x1 y1 each, ends included, of the parts by 8 neighbours, the largest first.
    """
    _, _, parts, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=8)
    parts = parts[1:][np.argsort(-parts[1:, cv2.CC_STAT_AREA], kind="stable")]
    enough = parts[:, cv2.CC_STAT_AREA] >= least * pixels.sum()
    return tuple(
        (int(x), int(y), int(x + width - 1), int(y + height - 1))
        for index, (x, y, width, height, _) in enumerate(parts)
        if enough[index] or index == 0
    )


def bounding_box(pixels: NDArray[np.bool_]) -> Box:
    """Smallest box x0 y0 x1 y1, ends included, that holds all of an object's pixels (H, W), one or more."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _png(image_id: str) -> str:
    return str(PurePosixPath(image_id).with_suffix(".png"))
