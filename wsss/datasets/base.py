"""What every data set offers to the stages."""

import abc
import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import read_mask
from wsss.errors import DataError
from wsss.images import ImageFile
from wsss.manifests import is_inside

_NAMED = 5


@dataclasses.dataclass(frozen=True)
class LabelFile:
    """A label map on the disk and how it is read; little to send to another process.

    Attributes:
        path: palette or 8-bit grayscale PNG.
        num_classes: number of classes in the file, without background; None: not checked.
        relabel: (256,) uint8, the label for each value in the file; None: they are the labels.
    """

    path: Path
    num_classes: int | None = None
    relabel: NDArray[np.uint8] | None = None

    def read(self, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Label map (H, W) uint8: 0 background, 1..C, 255 ignore.

        Args:
            size: expected (H, W).

        Raises:
            ArtifactError: the file is absent, damaged, of another size, or has values out of range.
        """
        mask = read_mask(self.path, num_classes=self.num_classes, size=size)
        return mask if self.relabel is None else self.relabel[mask]


class DataSet(abc.ABC):
    """Images with tags, in named splits, with ground truth where there is any.

    Attributes:
        name: name of the data set, as in ``work/NAME``.
        classes: names of the classes without background; class ``i`` has label ``i + 1``.
        remarks: what was understood of its lists that is not plain, in words, for people.
        upright: whether images are turned as their EXIF headers ask. Not where masks of others are drawn on
            the pixels as they are stored.
    """

    name: str
    classes: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    upright: bool = False

    @abc.abstractmethod
    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images of one split, in the order of its list.

        Raises:
            DataError: there is no such split, its list is faulty, or images are missing.
        """

    @abc.abstractmethod
    def image_path(self, image_id: str) -> Path:
        """File of one image."""

    def image_file(self, image_id: str) -> ImageFile:
        """File of one image and how it is read: what `wsss.images.read_image` takes."""
        return ImageFile(self.image_path(image_id), self.upright)

    @abc.abstractmethod
    def tags(self, image_id: str) -> tuple[int, ...]:
        """Labels of the classes in one image: sorted, 1..C, empty where nothing is known.

        Raises:
            DataError: the tags of the image cannot be read.
        """

    @abc.abstractmethod
    def mask_path(self, image_id: str) -> Path | None:
        """File of the ground truth of one image; None where there is none.

        Its pixels are read by `truth`: the labels in it may be others than this data set's.
        """

    @property
    def stored_classes(self) -> tuple[str, ...]:
        """Names of the classes in the files of ground truth, in the order of their labels."""
        return self.classes

    def relabel(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of this data set for those in a file of ground truth, value by value."""
        return mask

    def truth_file(self, image_id: str) -> LabelFile:
        """The ground truth of one image, to be read later or in another process.

        Raises:
            DataError: the image has none.
        """
        path = self.mask_path(image_id)
        if path is None:
            raise DataError(f"expected ground truth for {image_id}, found none: leave it out of scoring")
        values = np.arange(256, dtype=np.uint8)
        labels = self.relabel(values)
        changed = None if np.array_equal(labels, values) else labels
        return LabelFile(path, len(self.stored_classes), changed)

    def truth(self, image_id: str, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Ground truth (H, W) uint8 of one image: 0 background, 1..C, 255 ignore.

        Args:
            image_id: an image that has one (`mask_path`).
            size: expected (H, W).

        Raises:
            DataError: the image has none.
            ArtifactError: its file is damaged, of another size, or has values out of range.
        """
        return self.truth_file(image_id).read(size=size)

    def check(self, split: str) -> None:
        """Refuse a split that cannot be trained on.

        Raises:
            DataError: images are missing, or have no tags or such that are no class; the message names the
                first few.
        """
        ids = self.ids(split)
        untagged = [image_id for image_id in ids if not self.tags(image_id)]
        if untagged:
            raise DataError(
                f"expected tags for all {len(ids)} images of split {split} of {self.name}, got none for "
                f"{name_some(untagged)}: add their tags or take them out of the list"
            )
        known = set(range(1, len(self.classes) + 1))
        wrong = [f"{one} {sorted(extra)}" for one in ids if (extra := set(self.tags(one)) - known)]
        if wrong:
            raise DataError(
                f"expected tags from 1 to {len(known)} in split {split} of {self.name}, got others for "
                f"{name_some(wrong)}: correct the tags or dataset.classes"
            )

    def fingerprint(self, split: str) -> str:
        """Digest of what a stage sees of one split: ids, tags and sizes of the image files, but no paths.

        Returns:
            SHA-256 in hexadecimal.

        Raises:
            DataError: as ``ids`` and ``tags`` do.
        """
        ids = self.ids(split)
        rows = [(one, self.tags(one), self.image_path(one).stat().st_size) for one in ids]
        return hashlib.sha256(json.dumps([self.classes, rows]).encode()).hexdigest()


def name_some(items: Sequence[str]) -> str:
    """Count of the items and the first few of them, for error messages: ``7: a, b, c, d, e, ...``."""
    more = ", ..." if len(items) > _NAMED else ""
    return f"{len(items)}: {', '.join(items[:_NAMED])}{more}"


def read_id_list(path: Path) -> tuple[str, ...]:
    """Read a list of image ids, one a line; spaces and carriage returns at the ends are dropped.

    Args:
        path: text file, UTF-8.

    Returns:
        The ids in the order of the file.

    Raises:
        DataError: the file is absent, not text or empty, or has an empty line, an id twice or an id that
            leaves its folder.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError as error:
        raise DataError(
            f"expected a list of image ids at {path}, found no file: add it or choose another split"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a list of image ids at {path}, got: {error}: replace the file") from error
    if not lines:
        raise DataError(f"expected image ids, one a line, in {path}, got an empty file: fill it")
    for number, line in enumerate(lines, start=1):
        check_id(line, f"line {number} of {path}")
    twice = sorted({line for line, count in Counter(lines).items() if count > 1})
    if twice:
        raise DataError(
            f"expected each image id once in {path}, got more of {name_some(twice)}: keep one of each"
        )
    return tuple(lines)


def check_id(image_id: str, where: str) -> None:
    """Refuse an image id that would name a file outside its folder.

    Raises:
        DataError: the id is empty, absolute, goes up, or holds a backslash or a control character.
    """
    if not image_id:
        raise DataError(f"expected an image id in {where}, got an empty line: take it out")
    if not is_inside(image_id):
        raise DataError(
            f"expected an image id relative to its folder in {where}, got {image_id!r}: "
            "write it without a leading /, without .. and with / between folders"
        )


def check_count(dataset: DataSet, split: str, count: int, counts: Mapping[str, int], where: Path) -> None:
    """Refuse a split that has not the number of images that the settings ask for.

    Raises:
        DataError: the numbers differ.
    """
    if count != counts.get(split, count):
        raise DataError(
            f"expected {counts[split]} images in split {split} of {dataset.name}, got {count} in {where}: "
            f"use the full list or set dataset.counts.{split}"
        )
