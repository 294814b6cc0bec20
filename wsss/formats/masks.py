"""One reader and one writer for each format that masks come in."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle

from wsss.artifacts import IGNORE, Artifact, atomic_write, read_mask, voc_palette, write_json, write_mask
from wsss.datasets.base import check_id
from wsss.datasets.coco_build import decode_segmentation
from wsss.errors import ArtifactError, DataError
from wsss.limits import UNREADABLE, check_pixels, open_picture
from wsss.progress import track

Mask = NDArray[np.uint8]
MMSEG_MASKS = "SegmentationClassAug"
_MMSEG_LISTS = Path("ImageSets") / "Segmentation"
# Of the ids 1..90 these have no objects in any release.
_COCO_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


class MaskFolder:
    """PNGs of label indices, or of the colours of VOC's palette."""

    def __init__(self, folder: Path) -> None:
        """List the files."""
        self.folder = folder
        self._files = {
            file.relative_to(folder).with_suffix("").as_posix(): file
            for file in sorted(folder.rglob("*.png"))
        }

    def ids(self) -> list[str]:
        """Ids of the images, sorted."""
        return list(self._files)

    def read(self, image_id: str) -> Mask:
        """(H, W) uint8 label indices of one image."""
        return _read_labels(self._files[image_id])


class MmsegFolder(MaskFolder):
    """``SegmentationClassAug`` of a data set as mmsegmentation expects it, or the folder above it."""

    def __init__(self, folder: Path) -> None:
        """List the files."""
        below = folder / MMSEG_MASKS
        super().__init__(below if below.is_dir() else folder)


class Coco91Folder(MaskFolder):
    """PNGs that hold COCO's category ids 1..90 in place of labels 1..80."""

    def read(self, image_id: str) -> Mask:
        """(H, W) uint8 labels 1..80 of one image."""
        mask = super().read(image_id)
        labels = coco91_labels()[mask]
        unknown = np.unique(mask[(labels == 0) & (mask != 0)])
        if unknown.size:
            raise DataError(
                f"expected COCO's category ids (0 background, 1..90, 255 ignore), got {unknown[:5].tolist()} "
                f"in {self._files[image_id]}: use --format voc if the labels are 1..80 already"
            )
        return labels


class CocoRle:
    """A JSON with images, annotations (RLE) and categories; category 255 stands for pixels to ignore."""

    def __init__(self, file: Path) -> None:
        """Read it.

        Raises:
            DataError: no such file, no JSON, or not these entries.
        """
        self.file = file
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            self._images = {
                Path(one["file_name"]).with_suffix("").as_posix(): one for one in content["images"]
            }
            self._regions: dict[Any, list[dict[str, Any]]] = {}
            for one in content["annotations"]:
                self._regions.setdefault(one["image_id"], []).append(one)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                f"expected a JSON with images, annotations and categories at {file}, got: {error!r}: "
                "replace it"
            ) from error
        for image_id in self._images:
            check_id(image_id, str(file))

    def ids(self) -> list[str]:
        """Ids of the images, in the order of the file."""
        return list(self._images)

    def read(self, image_id: str) -> Mask:
        """(H, W) uint8 labels of one image."""
        image = self._images[image_id]
        try:
            size = (int(image["height"]), int(image["width"]))
            check_pixels(size, image_id)
            mask = np.zeros(size, np.uint8)
            for one in self._regions.get(image["id"], []):
                mask[decode_segmentation(one["segmentation"], size)] = one["category_id"]
        # pycocotools raises whatever its C code meets.
        except Exception as error:
            raise DataError(
                f"expected RLE of the size of {image_id} in {self.file}, got: {error}: replace it"
            ) from error
        return mask


MaskSource = MaskFolder | CocoRle
IMPORTED_MASKS: Mapping[str, Callable[[Path], MaskSource]] = {
    "voc": MaskFolder,
    "irn": MaskFolder,
    "mmseg": MmsegFolder,
    "coco-rle": CocoRle,
    "coco91": Coco91Folder,
}


def coco91_labels() -> Mask:
    """(256,) uint8: COCO's category id -> label 1..80; 0 -> 0, 255 -> 255, anything else -> 0."""
    table = np.zeros(256, np.uint8)
    used = [number for number in range(1, 91) if number not in _COCO_UNUSED]
    table[used] = np.arange(1, len(used) + 1)
    table[IGNORE] = IGNORE
    return table


def write_voc(masks: Artifact, dst: Path) -> None:
    """``ID.png`` with VOC's palette."""
    for image_id, mask in _each(masks):
        write_mask(dst / f"{image_id}.png", mask)


def write_irn(masks: Artifact, dst: Path) -> None:
    """``ID.png``, 8 bit gray without palette, as IRN's programs write and read them."""
    for image_id, mask in _each(masks):
        with atomic_write(dst / f"{image_id}.png") as temporary:
            Image.fromarray(mask).save(temporary, format="PNG")


def write_mmseg(masks: Artifact, dst: Path) -> None:
    """``SegmentationClassAug/ID.png`` and the list ``ImageSets/Segmentation/SPLIT.txt``."""
    write_voc(masks, dst / MMSEG_MASKS)
    with atomic_write(dst / _MMSEG_LISTS / f"{masks.split}.txt") as temporary:
        temporary.write_text("".join(f"{image_id}\n" for image_id in masks.ids), encoding="utf-8")


def write_coco_rle(masks: Artifact, dst: Path) -> None:
    """One JSON: see `coco_rle`."""
    content = coco_rle(_each(masks), masks.manifest.get("classes") or [])
    write_json(dst if dst.suffix == ".json" else dst / "masks.json", content)


def coco_rle(masks: Iterable[tuple[str, Mask]], classes: Sequence[str]) -> dict[str, Any]:
    """Label maps as COCO writes them: a region of RLE for each image and class.

    Args:
        masks: image id and (H, W) uint8 labels; pixels of 255 become a crowd of category 255.
        classes: names of the labels 1..C.

    Returns:
        ``images`` (``file_name`` is ``ID.png``), ``annotations`` and ``categories``, for `json`.
    """
    images: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for number, (image_id, mask) in enumerate(masks, start=1):
        height, width = mask.shape
        images.append({"id": number, "file_name": f"{image_id}.png", "height": height, "width": width})
        for label in np.unique(mask[mask > 0]).tolist():
            regions.append({"id": len(regions) + 1, "image_id": number, **_encode(mask == label, label)})
    categories: list[dict[str, Any]] = [
        {"id": label, "name": name} for label, name in enumerate(classes, start=1)
    ]
    return {
        "images": images,
        "annotations": regions,
        "categories": [*categories, {"id": IGNORE, "name": "ignore"}],
    }


EXPORTED_MASKS: Mapping[str, Callable[[Artifact, Path], None]] = {
    "voc": write_voc,
    "irn": write_irn,
    "mmseg": write_mmseg,
    "coco-rle": write_coco_rle,
}


def _each(masks: Artifact) -> Iterator[tuple[str, Mask]]:
    for image_id in track(masks.ids, "export masks"):
        yield image_id, read_mask(masks.file(image_id))


def _encode(region: NDArray[np.bool_], label: int) -> dict[str, Any]:
    encoded = rle.encode(np.asfortranarray(region, np.uint8))
    return {
        "category_id": label,
        "iscrowd": int(label == IGNORE),
        "area": int(region.sum()),
        "bbox": rle.toBbox(encoded).tolist(),
        "segmentation": {"size": list(region.shape), "counts": encoded["counts"].decode("ascii")},
    }


def _read_labels(path: Path) -> Mask:
    try:
        with open_picture(path) as image:
            if image.mode in ("RGB", "RGBA"):
                return _from_colours(np.asarray(image.convert("RGB")), path)
        return read_mask(path)
    except (ArtifactError, *UNREADABLE) as error:
        raise DataError(f"expected a whole PNG of labels at {path}, got: {error}") from error


def _from_colours(image: NDArray[np.uint8], path: Path) -> Mask:
    """Labels of an image in the colours of VOC's palette."""
    numbers = image.astype(np.int64) @ np.array([65536, 256, 1])
    palette = voc_palette().astype(np.int64) @ np.array([65536, 256, 1])
    order = np.argsort(palette)
    found = np.searchsorted(palette, numbers, sorter=order).clip(0, 255)
    labels = order[found]
    wrong = palette[labels] != numbers
    if wrong.any():
        raise ValueError(f"colour {_colours(image, wrong)}, which is not in VOC's palette")
    return labels.astype(np.uint8)


def _colours(image: NDArray[np.uint8], where: NDArray[np.bool_]) -> Sequence[int]:
    first: Sequence[int] = image[where][0].tolist()
    return first
