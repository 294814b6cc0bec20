"""Three folder layouts of localisation sets: wsolevaluation's, CUB's own, and OpenImages' as BAS has it.

Each reader gives the images of one split with what is known of them, and refuses lists that do not fit each
other. None looks at images.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wsss.datasets.base import check_id, name_some, read_id_list
from wsss.errors import DataError
from wsss.limits import check_pixels
from wsss.localization.boxes import Box

IDS, LABELS, SIZES, PLACES = "image_ids.txt", "class_labels.txt", "image_sizes.txt", "localization.txt"
CLASSES = "classes.txt"
CUB_FILES = (
    "images.txt",
    LABELS.replace("class", "image_class"),
    "train_test_split.txt",
    "bounding_boxes.txt",
)
_ROW_OF_BOX, _ROW_OF_MASK = 5, 3


@dataclasses.dataclass(frozen=True, slots=True)
class Located:
    """What the lists say of one image.

    Attributes:
        label: 1..C.
        size: (H, W); None where no list tells.
        boxes: x0 y0 x1 y1 each, as they stand in the list.
        masks: one file per instance, whose pixels are not 0.
        ignore: file of pixels that are not scored, unless they are an instance's.
    """

    label: int
    size: tuple[int, int] | None = None
    boxes: tuple[Box, ...] = ()
    masks: tuple[Path, ...] = ()
    ignore: Path | None = None


def wsol_splits(metadata: Path) -> tuple[str, ...]:
    """Splits in a folder of wsolevaluation's metadata."""
    return tuple(sorted(file.parent.name for file in metadata.glob(f"*/{IDS}")))


def read_wsol(root: Path, metadata: Path, split: str) -> dict[str, Located]:
    """Images of one split by wsolevaluation's lists.

    ``METADATA/SPLIT`` holds ``image_ids.txt`` (a path below the root each), ``class_labels.txt``
    (``path,label``, from 0) and perhaps ``image_sizes.txt`` (``path,width,height``) and ``localization.txt``:
    ``path,x0,y0,x1,y1``, or ``path,mask,ignore`` with the ignored pixels at the image's first row only.

    Args:
        root: folder that paths of masks start from.
        metadata: folder of the splits.
        split: name of one.

    Raises:
        DataError: a list is absent or broken, or its images are not those of ``image_ids.txt``.
    """
    folder = metadata / split
    ids = read_id_list(folder / IDS)
    labels = _one_each(folder / LABELS, ids, _read_label)
    sizes = _one_each(folder / SIZES, ids, _read_size) if (folder / SIZES).is_file() else {}
    places = _places(root, folder / PLACES, ids) if (folder / PLACES).is_file() else {}
    return {one: Located(labels[one], sizes.get(one), **places.get(one, {})) for one in ids}


def cub_splits(root: Path) -> tuple[str, ...]:
    """Splits of CUB's own lists."""
    return ("test", "train") if (root / CUB_FILES[0]).is_file() else ()


def read_cub(root: Path, split: str) -> dict[str, Located]:
    """Images of one split by the lists of CUB-200-2011.

    ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt`` and ``bounding_boxes.txt`` begin each
    line with the number of an image. An image id is its path below ``images``. A box ``x y width height``
    becomes x, y, x + width, y + height. Masks are those in ``segmentations``, if that is there.

    Args:
        root: folder ``CUB_200_2011``.
        split: ``train`` or ``test``.

    Raises:
        DataError: a list is absent or broken, or its images are not those of ``images.txt``.
    """
    paths, labels, splits, boxes = (_numbered(root / name) for name in CUB_FILES)
    for name, rows in zip(CUB_FILES[1:], (labels, splits, boxes), strict=True):
        _check_same(rows, paths, root / name, CUB_FILES[0])
    found: dict[str, Located] = {}
    for number, (path, *_) in paths.items():
        where = f"image {number} in {root}"
        check_id(path, where)
        if (splits[number] == ["1"]) != (split == "train"):
            continue
        x, y, width, height = _numbers(boxes[number], 4, f"{root / CUB_FILES[3]} for {where}")
        (label,) = _numbers(labels[number], 1, f"{root / CUB_FILES[1]} for {where}")
        mask = root / "segmentations" / Path(path).with_suffix(".png")
        found[path] = Located(
            int(label),
            boxes=((int(x), int(y), int(x + width), int(y + height)),),
            masks=(mask,) if mask.is_file() else (),
        )
    return found


def openimages_splits(metadata: Path) -> tuple[str, ...]:
    """Splits of OpenImages as BAS has it."""
    return tuple(sorted(file.name.removesuffix("_images.txt") for file in metadata.glob("*_images.txt")))


def read_openimages(root: Path, metadata: Path, split: str) -> dict[str, Located]:
    """Images of one split by BAS's lists of OpenImages.

    ``SPLIT_images.txt`` has ``path,label`` (from 0), ``SPLIT_mask.txt``, where it is, ``path,mask,ignore``
    with the ignored pixels at the image's first row only.

    Args:
        root: folder that paths of masks start from.
        metadata: folder of the lists.
        split: ``train``, ``test`` or whatever has lists.

    Raises:
        DataError: a list is absent or broken, or the images of both differ.
    """
    listed = metadata / f"{split}_images.txt"
    ids = tuple(dict.fromkeys(name for _, name, _ in _rows(listed, {2})))
    for image_id in ids:
        check_id(image_id, str(listed))
    labels = _one_each(listed, ids, _read_label)
    masks = metadata / f"{split}_mask.txt"
    places = _places(root, masks, ids) if masks.is_file() else {}
    return {one: Located(labels[one], **places.get(one, {})) for one in ids}


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names of the classes, one a line; a number before it, as CUB has, is dropped.

    Raises:
        DataError: the file is not text, empty, or names a class twice.
    """
    lines = _lines(path)
    parts = [line.split(maxsplit=1) for line in lines if line]
    numbered = [str(number) for number in range(1, len(parts) + 1)] == [part[0] for part in parts]
    names = [part[-1] if numbered else " ".join(part) for part in parts]
    if not names or len(set(names)) != len(names):
        raise DataError(
            f"expected the name of a class on each line of {path}, all unlike, got {len(names)}, "
            f"{len(set(names))} of them unlike: correct the file"
        )
    return tuple(names)


def _one_each(path: Path, ids: tuple[str, ...], read: Callable[[list[str], str], Any]) -> dict[str, Any]:
    """What a list says of each image, where it must say one thing."""
    count = 3 if read is _read_size else 2
    found: dict[str, Any] = {}
    two: dict[str, list[Any]] = {}
    for line, image_id, cells in _rows(path, {count}):
        value = read(cells, f"line {line} of {path}")
        if image_id in found:
            two.setdefault(image_id, [found[image_id]]).append(value)
        found[image_id] = value
    if two:
        what = "class" if read is _read_label else "size"
        raise DataError(
            f"expected one {what} for each image in {path}, got more rows for {name_some(list(two))}: "
            "an image of a localisation set has one class; keep one row, or leave the image out"
        )
    _check_same(found, ids, path, IDS)
    return found


def _read_label(cells: list[str], where: str) -> int:
    (value,) = _numbers(cells, 1, where)
    if value < 0 or value != int(value):
        raise DataError(f"expected a label from 0 on in {where}, got {cells[0]!r}: correct it")
    return int(value) + 1


def _read_size(cells: list[str], where: str) -> tuple[int, int]:
    width, height = _numbers(cells, 2, where)
    if min(width, height) < 1:
        raise DataError(f"expected the width and height of an image in {where}, got {cells}: correct them")
    check_pixels((int(height), int(width)), where)
    return int(height), int(width)


def _places(root: Path, path: Path, ids: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Boxes or masks of each image, as arguments of `Located`."""
    places: dict[str, dict[str, Any]] = {}
    for line, image_id, cells in _rows(path, {_ROW_OF_BOX, _ROW_OF_MASK}):
        where = f"line {line} of {path}"
        is_first = image_id not in places
        place = places.setdefault(image_id, {})
        if len(cells) == _ROW_OF_BOX - 1:
            box = tuple(int(one) for one in _numbers(cells, 4, where))
            place["boxes"] = (*place.get("boxes", ()), box)
            continue
        mask, ignore = cells
        if bool(ignore) != is_first:
            raise DataError(
                f"expected the file of ignored pixels at an image's first row alone, got {ignore!r} in "
                f"{where}: correct the list"
            )
        for name in (mask, *([ignore] if ignore else [])):
            check_id(name, where)
        place["masks"] = (*place.get("masks", ()), root / mask)
        if ignore:
            place["ignore"] = root / ignore
    _check_same(places, ids, path, IDS)
    return places


def _check_same(found: Mapping[str, Any], wanted: Any, path: Path, other: str) -> None:
    """Refuse lists of different images."""
    lacking = [one for one in wanted if one not in found]
    known = wanted if isinstance(wanted, Mapping) else frozenset(wanted)
    foreign = [one for one in found if one not in known]
    if lacking or foreign:
        parts = [
            *([f"none for {name_some(lacking)}"] if lacking else []),
            *([f"others for {name_some(foreign)}"] if foreign else []),
        ]
        raise DataError(
            f"expected in {path} a row for each image of {other} and no others, got {' and '.join(parts)}: "
            "take both files from one release"
        )


def _numbered(path: Path) -> dict[str, list[str]]:
    """Rows of one of CUB's lists by the image's number."""
    found: dict[str, list[str]] = {}
    for line, text in enumerate(_lines(path), start=1):
        number, *cells = text.split()
        if not cells:
            raise DataError(
                f"expected a number and a value in line {line} of {path}, got {text!r}: correct it"
            )
        if number in found:
            raise DataError(
                f"expected each image once in {path}, got image {number} again in line {line}: an image of a "
                "localisation set has one class and one box here; keep one row"
            )
        found[number] = cells
    return found


def _rows(path: Path, counts: set[int]) -> Iterator[tuple[int, str, list[str]]]:
    """Number of the line, image id and the other cells of each row; an id may hold commas."""
    for line, text in enumerate(_lines(path), start=1):
        cells = text.split(",")
        # An id with commas in a row of the highest count of cells looks like one of too many.
        count = next((n for n in sorted(counts, reverse=True) if len(cells) >= n and _fits(cells, n)), 0)
        if not count:
            wanted = " or ".join(str(one) for one in sorted(counts))
            raise DataError(
                f"expected {wanted} cells separated by commas in line {line} of {path}, got {text!r}: "
                "correct it"
            )
        yield line, ",".join(cells[: 1 - count]), [one.strip() for one in cells[1 - count :]]


def _fits(cells: list[str], count: int) -> bool:
    """Whether the last cells of a row can be those of its kind: a row of a box ends in four numbers."""
    return count != _ROW_OF_BOX or all(_is_number(one) for one in cells[1 - count :])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(cells: list[str], count: int, where: str) -> list[float]:
    try:
        values = [float(one) for one in cells]
    except ValueError:
        values = []
    if len(values) != count or not all(abs(one) < 1e9 for one in values):
        raise DataError(
            f"expected {count} finite numbers in {where}, got {','.join(cells)!r}: correct the row"
        )
    return values


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError(
            f"expected a list at {path}, found no file: take it from the data set's release"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected text at {path}, got: {error}: replace the file") from error
    return [line.strip() for line in lines if line.strip()]
