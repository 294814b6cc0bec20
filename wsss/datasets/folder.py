"""Any folder of images with a CSV of their tags."""

import difflib
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from wsss.datasets.base import DataSet, check_count, check_id, name_some
from wsss.datasets.tables import Row, likeness, read_table
from wsss.errors import ConfigError, DataError
from wsss.paths import resolve_path

ALL = "all"
EXIF = ("apply", "keep")
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# Labels are stored in 8 bits, and 255 means ignore.
_MOST_CLASSES = 254


class FolderDataSet(DataSet):
    """Images under one folder, tags in a CSV with the columns ``file`` and ``tags`` and perhaps ``split``.

    ``file`` is the path below the folder, with any letters; ``tags`` holds names separated by ``;``, or as
    `read_table` understands them. An image id is that path without its suffix. Split ``all`` holds every
    image; the column ``split`` names others.
    """

    def __init__(
        self,
        root: str | Path = "data/folder",
        *,
        labels: str | Path | None = None,
        ground_truth: str | Path | None = None,
        classes: Sequence[str] | None = None,
        exif: str = "apply",
        counts: Mapping[str, int] | None = None,
        name: str = "folder",
    ) -> None:
        """Open the folder and read the CSV.

        Args:
            root: folder of the images; relative to the project root.
            labels: the CSV, UTF-8, cells separated by comma, semicolon or tab; relative to the project root.
                None: ``tags.csv`` in the folder.
            ground_truth: folder of masks ``ID.png`` for scoring, label indices as in docs/artifacts.md; None:
                there are none, and no figure is made up.
            classes: names of the classes in label order. None: those in the CSV, sorted.
            exif: "apply" turns images as their EXIF headers ask, masks lie as viewers show the photos; "keep"
                takes the pixels as they are stored, for masks of others that do.
            counts: split -> number of images it must have. Splits that are not named are not checked.
            name: name of the data set.

        Raises:
            ConfigError: ``classes`` names one twice, or more than 254; ``exif`` is something else;
                ``ground_truth`` is no folder.
            DataError: the folder or the CSV is absent, broken, or names an unknown class.
        """
        if exif not in EXIF:
            raise ConfigError(f"expected dataset.exif out of {', '.join(EXIF)}, got {exif!r}: choose one")
        self.name = name
        self.upright = exif == "apply"
        self.root = resolve_path(root)
        self.labels = self.root / "tags.csv" if labels is None else resolve_path(labels)
        self._truth = None if ground_truth is None else resolve_path(ground_truth)
        self._counts = dict(counts or {})
        if not self.root.is_dir():
            raise DataError(
                f"expected a folder with the images and tags.csv at {self.root}, found "
                f"{'a file' if self.root.exists() else 'none'}: name that folder (--data-root, dataset.root)"
            )
        if self._truth is not None and not self._truth.is_dir():
            raise ConfigError(
                f"expected a folder of masks ID.png at {self._truth}, found none: correct "
                "dataset.ground_truth, or leave it out"
            )
        table, self.remarks = read_table(self.labels, classes=classes)
        rows = _by_image(table, self.labels)
        self.classes = _class_names(rows, classes, self.labels)
        self._files = {image_id: row.cells["file"] for image_id, row in rows.items()}
        self._splits = {image_id: row.cells.get("split", "") for image_id, row in rows.items()}
        label_of = {one: label for label, one in enumerate(self.classes, start=1)}
        self._tags = {
            image_id: tuple(sorted({label_of[one] for one in row.tags})) for image_id, row in rows.items()
        }

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images of one split, in the order of the CSV; ``all`` gives every image.

        Raises:
            DataError: there is no such split, it is of another length than expected, or images are missing.
        """
        ids = tuple(one for one, named in self._splits.items() if split in (ALL, named))
        if not ids:
            known = ", ".join([ALL, *sorted({*self._splits.values()} - {"", ALL})])
            raise DataError(
                f"expected a split out of {known} of {self.name}, got {split!r}: choose one or fill the "
                f"column 'split' of {self.labels}"
            )
        check_count(self, split, len(ids), self._counts, self.labels)
        missing = [self._files[one] for one in ids if one in self._missing]
        if missing:
            raise DataError(
                f"expected the {len(ids)} images of split {split} of {self.name} in {self.root}, "
                f"missing {name_some(missing)}: {self._meant(missing[0])}add them or take them out of "
                f"{self.labels}"
            )
        return ids

    def image_path(self, image_id: str) -> Path:
        """File of one image."""
        return self.root / self._files[image_id]

    def tags(self, image_id: str) -> tuple[int, ...]:
        """Labels of the classes in one image: sorted, 1..C, empty where the CSV has none."""
        return self._tags[image_id]

    def mask_path(self, image_id: str) -> Path | None:
        """File of the ground truth of one image; None where there is none."""
        if self._truth is None:
            return None
        path = self._truth / f"{image_id}.png"
        return path if path.is_file() else None

    def unlisted(self) -> tuple[str, ...]:
        """Images in the folder that the CSV does not name; links to folders are not followed.

        Raises:
            DataError: a folder cannot be read.
        """
        listed = set(self._files.values())
        found = []
        for folder, _, names in os.walk(self.root, onerror=_refuse_folder):
            relative = Path(folder).relative_to(self.root)
            found += [(relative / one).as_posix() for one in names if Path(one).suffix.lower() in SUFFIXES]
        return tuple(sorted(set(found) - listed))

    def _meant(self, file: str) -> str:
        """A file that is there and called nearly so: other capitals, no suffix, another folder."""
        there = self.unlisted()
        by_stem = {PurePosixPath(one).stem.lower(): one for one in there}
        stem = PurePosixPath(file).stem.lower()
        close = [by_stem[stem]] if stem in by_stem else difflib.get_close_matches(file, there, n=1)
        return f"did you mean {close[0]!r}? " if close else ""

    @functools.cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(one for one in self._files if not self.image_path(one).is_file())


def _by_image(rows: Sequence[Row], path: Path) -> dict[str, Row]:
    by_image: dict[str, Row] = {}
    for row in rows:
        where = f"line {row.line} of {path}"
        check_id(row.cells["file"], where)
        image_id = str(PurePosixPath(row.cells["file"]).with_suffix(""))
        check_id(image_id, where)
        if image_id in by_image:
            raise DataError(
                f"expected each image once in {path}, got {by_image[image_id].cells['file']} and "
                f"{row.cells['file']} (line {row.line}): keep one of them, or rename it so that they differ "
                "in more than the suffix"
            )
        by_image[image_id] = row
    return by_image


def _class_names(rows: Mapping[str, Row], classes: Sequence[str] | None, path: Path) -> tuple[str, ...]:
    found = {one for row in rows.values() for one in row.tags}
    names = tuple(sorted(found) if classes is None else classes)
    unlike = len({likeness(one) for one in names})
    if unlike != len(names) or len(names) > _MOST_CLASSES:
        raise ConfigError(
            f"expected at most {_MOST_CLASSES} unlike names in dataset.classes, got {len(names)}, "
            f"{unlike} of them unlike: correct them"
        )
    if not names:
        raise DataError(f"expected a tag for at least one image in {path}, got none: fill the column 'tags'")
    unknown = sorted(found - set(names))
    if unknown:
        raise DataError(
            f"expected tags out of {', '.join(names)} in {path}, got {name_some(unknown)}: correct them or "
            "add them to dataset.classes"
        )
    return names


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        f"expected a folder that can be read at {error.filename}, got: {error.strerror}: "
        "change its permissions"
    ) from error
