"""Tags and ground truth of COCO, built from its annotations: what ``wsss data coco`` does."""

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from wsss.artifacts import IGNORE, write_json, write_mask
from wsss.datasets.base import check_id, name_some
from wsss.datasets.coco import mask_file, tags_file
from wsss.errors import DataError
from wsss.limits import check_pixels
from wsss.processes import map_images


class CocoObject(NamedTuple):
    """One object of an image: its label 1..C, area in pixels, whether it is a crowd, polygons or RLE."""

    label: int
    area: float
    crowd: bool
    segmentation: Any


class CocoImage(NamedTuple):
    """One image with its objects; ``size`` is (height, width)."""

    image_id: str
    size: tuple[int, int]
    objects: tuple[CocoObject, ...]


class _Task(NamedTuple):
    image: CocoImage
    out: Path


def build_coco(
    root: Path, *, labels: Path, split: str, year: int = 2014, num_workers: int = 0
) -> dict[str, Any]:
    """Write tags and ground truth of one split; a build that was killed continues.

    Args:
        root: folder that holds ``annotations/instances_SPLITYEAR.json``.
        labels: folder to write to.
        split: ``train`` or ``val``.
        year: which release.
        num_workers: processes; 0 for one per CPU core this process may use.

    Returns:
        Counts: ``images``, ``without_objects``, ``objects``, ``crowds``, ``tags_per_image``, ``built`` (masks
        written now), ``images_per_second`` (None where none was), ``images_per_class``.

    Raises:
        DataError: the annotations are absent, broken or inconsistent.
        ArtifactError: the folder cannot be written.
    """
    source = root / "annotations" / f"instances_{split}{year}.json"
    content = _read_annotations(source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    try:
        classes, images, suffix = group_objects(content, source)
    # Text for numbers, tables for names: each is another error.
    except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError(
            f"expected numbers, names and ids as COCO has them in {source}, got: {error}: "
            "use instances_*.json"
        ) from error
    finished = tags_file(labels, split, year)
    unfinished = finished.with_name(f"unfinished_{finished.name}")
    # Masks of other annotations are made anew, those of the same ones are kept.
    keep = digest in (_source_of(finished), _source_of(unfinished))
    write_json(unfinished, {"source": digest})
    tasks = [_Task(image, mask_file(labels, split, year, image.image_id)) for image in images]
    tasks = [task for task in tasks if not (keep and task.out.is_file())]
    begin = time.monotonic()
    for _ in map_images(_write_one, tasks, f"masks of {split}{year}", num_workers=num_workers, chunk=16):
        pass
    seconds = time.monotonic() - begin
    tags = {image.image_id: sorted({one.label for one in image.objects}) for image in images}
    write_json(finished, {"source": digest, "classes": classes, "suffix": suffix, "tags": tags})
    unfinished.unlink()
    per_class = Counter(label for one in tags.values() for label in one)
    return {
        "images": len(images),
        "without_objects": len(content["images"]) - len(images),
        "objects": sum(len(image.objects) for image in images),
        "crowds": sum(one.crowd for image in images for one in image.objects),
        "tags_per_image": round(sum(map(len, tags.values())) / len(tags), 3),
        "built": len(tasks),
        "images_per_second": round(len(tasks) / seconds, 1) if tasks else None,
        "images_per_class": {name: per_class[label] for label, name in enumerate(classes, start=1)},
    }


def group_objects(content: Mapping[str, Any], source: Path) -> tuple[list[str], list[CocoImage], str]:
    """Sort annotations by image.

    Args:
        content: the parsed JSON.
        source: its file, for messages.

    Returns:
        The class names in the order of their ids (label i is the i-th); the images that have objects, by id;
        the suffix of their files.

    Raises:
        DataError: an annotation names an unknown image or category, or image ids are not unique or lead out
            of their folder.
    """
    categories = sorted(content["categories"], key=lambda one: one["id"])
    label_of = {one["id"]: label for label, one in enumerate(categories, start=1)}
    names = {one["id"]: PurePosixPath(one["file_name"]) for one in content["images"]}
    objects: dict[int, list[CocoObject]] = {}
    for one in content["annotations"]:
        if one["image_id"] not in names or one["category_id"] not in label_of:
            raise DataError(
                f"expected known images and categories in {source}, got image {one['image_id']} and category "
                f"{one['category_id']} in annotation {one.get('id')}: use the file as published"
            )
        objects.setdefault(one["image_id"], []).append(
            CocoObject(
                label_of[one["category_id"]],
                float(one["area"]),
                bool(one.get("iscrowd", 0)),
                one["segmentation"],
            )
        )
    suffixes = sorted({names[image_id].suffix for image_id in objects})
    ids = [str(names[image_id].with_suffix("")) for image_id in objects]
    if len(suffixes) != 1 or len(set(ids)) != len(ids):
        raise DataError(
            f"expected images with objects, unlike names and one suffix in {source}, got {len(ids)} images, "
            f"{len(set(ids))} names and suffixes {', '.join(suffixes) or 'none'}: rename them"
        )
    for image_id in ids:
        check_id(image_id, str(source))
    images = [
        CocoImage(
            str(names[one["id"]].with_suffix("")),
            (int(one["height"]), int(one["width"])),
            tuple(objects[one["id"]]),
        )
        for one in content["images"]
        if one["id"] in objects
    ]
    return [one["name"] for one in categories], sorted(images), suffixes[0]


def draw_objects(image: CocoImage) -> NDArray[np.uint8]:
    """Ground truth of one image: crowds first, as 255, then the objects, smaller ones over larger ones.

    Returns:
        (H, W) uint8: 0 background, 1..C, 255 crowds.

    Raises:
        DataError: a polygon or RLE cannot be read, or the image is too large.
    """
    check_pixels(image.size, image.image_id)
    mask = np.zeros(image.size, np.uint8)
    for one in sorted(image.objects, key=lambda one: (not one.crowd, -one.area)):
        try:
            shape = decode_segmentation(one.segmentation, image.size)
        # pycocotools raises whatever its C code meets.
        except Exception as error:
            raise DataError(
                f"expected polygons or RLE for {image.image_id}, got: {error}: "
                "use the annotations as published"
            ) from error
        mask[shape] = IGNORE if one.crowd else one.label
    return mask


def decode_segmentation(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of one object.

    Args:
        segmentation: polygons ``[[x0, y0, x1, y1, ...], ...]``, or RLE with plain or compressed counts.
        size: (H, W) of the image.

    Returns:
        (H, W) bool.
    """
    if isinstance(segmentation, list):
        # Polygons of fewer than three points cover nothing, and pycocotools takes four numbers for a box.
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
        if not polygons:
            return np.zeros(size, bool)
        _check_near(polygons, size)
        encoded = rle.merge(rle.frPyObjects(polygons, *size))
    elif isinstance(segmentation["counts"], list):
        # pycocotools takes what is below 0 for billions.
        counts, pixels = segmentation["counts"], math.prod(segmentation["size"])
        if min(counts, default=0) < 0 or sum(counts) != pixels:
            raise ValueError(f"RLE of other than {pixels} pixels")
        encoded = rle.frPyObjects(segmentation, *size)
    else:
        encoded = segmentation
    if tuple(encoded["size"]) != tuple(size):
        raise ValueError(f"RLE of size {tuple(encoded['size'])} in an image of {tuple(size)}")
    decoded: NDArray[np.uint8] = rle.decode(encoded)
    return decoded.astype(bool)


def _check_near(polygons: list[list[float]], size: tuple[int, int]) -> None:
    """Refuse corners far from the image: pycocotools walks along every edge, and a long one crashes it."""
    for polygon in polygons:
        corners = np.asarray(polygon, np.float64)
        if not (np.abs(corners) <= 2 * max(size)).all():
            raise ValueError(f"a corner at {corners[np.abs(corners).argmax()]:.3g} in an image of {size}")


def _write_one(task: _Task) -> None:
    write_mask(task.out, draw_objects(task.image))


def _read_annotations(source: Path) -> dict[str, Any]:
    try:
        content = json.loads(source.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"expected COCO's annotations at {source}, found no file: unpack annotations_trainvalYEAR.zip of "
            "cocodataset.org there, or set --root and --year"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"expected JSON in {source}, got: {error}: replace the file") from error
    wanted = {
        "images": {"id", "file_name", "height", "width"},
        "annotations": {"image_id", "category_id", "area", "segmentation"},
        "categories": {"id", "name"},
    }
    for key, fields in wanted.items():
        rows = content.get(key) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not rows:
            raise DataError(f"expected a list {key!r} in {source}, got none: use instances_*.json")
        lacking = [
            number for number, row in enumerate(rows) if not isinstance(row, dict) or not fields <= row.keys()
        ]
        if lacking:
            raise DataError(
                f"expected {', '.join(sorted(fields))} in every entry of {key!r} in {source}, not so in "
                f"{name_some([str(number) for number in lacking])}: use instances_*.json"
            )
    return content


def _source_of(file: Path) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("source") if isinstance(content, dict) else None
