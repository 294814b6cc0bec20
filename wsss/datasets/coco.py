"""COCO, and other data with annotations in its JSON format."""

import functools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsss.datasets.base import DataSet, check_count, name_some
from wsss.errors import DataError
from wsss.paths import resolve_path

SPLITS = ("train", "val")
MASKS = "SegmentationClass"


class CocoDataSet(DataSet):
    """A folder with ``train2014``, ``val2014`` ``annotations``, and what ``wsss data coco`` built of it.

    An image id is the name of its file without suffix. Label i is the i-th category in the order of their
    ids, so that COCO's 80 ids out of 1..90 become 1..80. Images without objects are left out.
    """

    def __init__(
        self,
        root: str | Path = "data/coco",
        *,
        labels: str | Path | None = None,
        year: int = 2014,
        counts: Mapping[str, int] | None = None,
        name: str = "coco",
    ) -> None:
        """Open the folder.

        Args:
            root: folder with ``trainYEAR``, ``valYEAR`` and ``annotations``; relative to the project root.
            labels: folder that ``wsss data coco`` wrote tags and ground truth to. None: the root.
            year: which release: 2014 or 2017.
            counts: split -> number of images it must have. Splits that are not named are not checked.
            name: name of the data set.

        Raises:
            DataError: the tags are not built yet, cannot be read, or those of the two splits do not fit.
        """
        self.name = name
        self.root = resolve_path(root)
        self.labels = self.root if labels is None else resolve_path(labels)
        self.year = year
        self._counts = dict(counts or {})
        known = {split: tuple(tags["classes"]) for split, tags in self._tags.items()}
        if len(set(known.values())) != 1:
            raise DataError(
                f"expected the same classes in {' and '.join(known)} of {name} in {self.labels}, got others: "
                f"build both from the same release with {self._command}"
            )
        self.classes = next(iter(known.values()))

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images with objects of one split, ascending.

        Raises:
            DataError: the split is not built, of another length than expected, or images are missing.
        """
        if split not in self._tags:
            raise DataError(
                f"expected a split out of {', '.join(self._tags)} of {self.name}, got {split!r}: "
                f"choose one, or build it with {self._command}"
            )
        ids = tuple(self._tags[split]["tags"])
        check_count(self, split, len(ids), self._counts, tags_file(self.labels, split, self.year))
        if split not in self._checked:
            missing = [str(self.image_path(one)) for one in ids if not self.image_path(one).is_file()]
            if missing:
                raise DataError(
                    f"expected the {len(ids)} images of split {split} of {self.name}, missing "
                    f"{name_some(missing)}: add {split}{self.year}.zip of cocodataset.org"
                )
            self._checked.add(split)
        return ids

    def image_path(self, image_id: str) -> Path:
        """File of one image."""
        split = self._split(image_id)
        return self.root / f"{split}{self.year}" / f"{image_id}{self._tags[split]['suffix']}"

    def tags(self, image_id: str) -> tuple[int, ...]:
        """Labels of the classes in one image: sorted, 1..C, those of crowds too."""
        return tuple(self._tags[self._split(image_id)]["tags"][image_id])

    def mask_path(self, image_id: str) -> Path | None:
        """File of the ground truth of one image: 0 background, 1..C, 255 crowds. None where there is none."""
        path = mask_file(self.labels, self._split(image_id), self.year, image_id)
        return path if path.is_file() else None

    def _split(self, image_id: str) -> str:
        for split, tags in self._tags.items():
            if image_id in tags["tags"]:
                return split
        raise DataError(
            f"expected an image of {self.name} with objects, got {image_id!r}: choose out of its splits"
        )

    @functools.cached_property
    def _checked(self) -> set[str]:
        return set()

    @functools.cached_property
    def _tags(self) -> dict[str, dict[str, Any]]:
        files = {split: tags_file(self.labels, split, self.year) for split in SPLITS}
        there = {split: _read_tags(file) for split, file in files.items() if file.is_file()}
        if not there:
            raise DataError(
                f"expected the tags of {self.name} in {self.labels}, found none: "
                f"build them with {self._command}"
            )
        return there

    @property
    def _command(self) -> str:
        labels = [] if self.labels == self.root else ["--labels", str(self.labels)]
        year = [] if self.year == 2014 else ["--year", str(self.year)]
        return shlex.join(["wsss", "data", "coco", "--root", str(self.root), *labels, *year])


def tags_file(labels: Path, split: str, year: int) -> Path:
    """File with the tags of one split; it is written when all of the split is built."""
    return labels / f"tags_{split}{year}.json"


def mask_file(labels: Path, split: str, year: int, image_id: str) -> Path:
    """File with the ground truth of one image."""
    return labels / MASKS / f"{split}{year}" / f"{image_id}.png"


def _read_tags(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        fits = {"classes", "suffix", "tags"} <= content.keys() and isinstance(content["tags"], dict)
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"expected JSON in {file}, got: {error}: delete it and run wsss data coco") from error
    if not fits:
        raise DataError(f"expected classes, suffix and tags in {file}: delete it and run wsss data coco")
    return content
