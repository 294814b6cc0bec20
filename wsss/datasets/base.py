"""What every data set offers to the stages."""

import abc
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from wsss.errors import DataError

_NAMED = 5


class DataSet(abc.ABC):
    """Images with tags, in named splits, with ground truth where there is any.

    Attributes:
        name: name of the data set, as in ``work/NAME``.
        classes: names of the classes without background; class ``i`` has label ``i + 1``.
    """

    name: str
    classes: tuple[str, ...]

    @abc.abstractmethod
    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images of one split, in the order of its list.

        Raises:
            DataError: there is no such split, its list is faulty, or images are missing.
        """

    @abc.abstractmethod
    def image_path(self, image_id: str) -> Path:
        """File of one image."""

    @abc.abstractmethod
    def tags(self, image_id: str) -> tuple[int, ...]:
        """Labels of the classes in one image: sorted, 1..C, empty where nothing is known.

        Raises:
            DataError: the tags of the image cannot be read.
        """

    @abc.abstractmethod
    def mask_path(self, image_id: str) -> Path | None:
        """File of the ground truth of one image: 0 background, 1..C, 255 ignore. None where there is none."""

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
    odd = "\\" in image_id or any(ord(sign) < 32 for sign in image_id)
    if odd or image_id.startswith("/") or ".." in image_id.split("/"):
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
