"""Images of one class each, with boxes or masks of its objects: data for localisation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import IGNORE
from wsss.datasets.base import DataSet, check_count, name_some
from wsss.datasets.layouts import (
    CLASSES,
    Located,
    cub_splits,
    openimages_splits,
    read_class_names,
    read_cub,
    read_openimages,
    read_wsol,
    wsol_splits,
)
from wsss.errors import ConfigError, DataError
from wsss.limits import UNREADABLE, open_picture
from wsss.paths import resolve_path

LAYOUTS = ("wsol", "cub", "openimages")


class LocalizationDataSet(DataSet):
    """A folder of images and the lists of a localisation set; see ``wsss.datasets.layouts`` for their form.

    An image id is the path of the image below the root, suffix and all, as in wsolevaluation's lists.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        metadata: str | Path | None = None,
        layout: str = "wsol",
        masks: str | Path | None = None,
        classes: Sequence[str] | None = None,
        counts: Mapping[str, int] | None = None,
        check_boxes: bool = True,
        name: str = "wsol",
    ) -> None:
        """Open the folder; the lists of a split are read when it is asked for.

        Args:
            root: folder of the images; relative to the project root.
            metadata: folder of the lists. None: ``metadata`` in the root for layout wsol, else the root.
            layout: wsol, cub or openimages.
            masks: folder of label maps ``ID.png`` (the id without its suffix) as in docs/artifacts.md; for
                scoring, masks in the layout's own lists come first.
            classes: names of the classes in label order. None: those of ``classes.txt`` beside the lists;
                else the folder that holds a class's training images, where each has one; else numbers.
            counts: split -> number of images its list must have. Splits that are not named are not checked.
            check_boxes: refuse boxes that leave their images; a pixel is allowed for rounding.
            name: name of the data set.

        Raises:
            ConfigError: there is no such layout.
            DataError: there are no lists.
        """
        if layout not in LAYOUTS:
            raise ConfigError(
                f"expected dataset.layout out of {', '.join(LAYOUTS)}, got {layout!r}: choose one"
            )
        self.name = name
        self.layout = layout
        self.root = resolve_path(root)
        default = self.root / "metadata" if layout == "wsol" else self.root
        self.metadata = default if metadata is None else resolve_path(metadata)
        self._masks = None if masks is None else resolve_path(masks)
        self._counts = dict(counts or {})
        self._check_boxes = check_boxes
        self._located: dict[str, dict[str, Located]] = {}
        self._present: set[str] = set()
        if not self.splits:
            raise DataError(
                f"expected the lists of data set {name} (layout {layout}) in {self.metadata}, found none: "
                f"put them there, or set dataset.metadata and dataset.root; wsss data {name} tells more"
            )
        self.classes = tuple(classes) if classes is not None else self._find_classes()

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that have lists."""
        if self.layout == "cub":
            return cub_splits(self.metadata)
        return wsol_splits(self.metadata) if self.layout == "wsol" else openimages_splits(self.metadata)

    def located(self, split: str) -> Mapping[str, Located]:
        """What the lists say of each image of one split, in their order; images are not looked for.

        Raises:
            DataError: there is no such split, or its lists are broken or do not fit each other.
        """
        if split not in self._located:
            if split not in self.splits:
                raise DataError(
                    f"expected a split out of {', '.join(self.splits)} of {self.name}, got {split!r}: choose "
                    f"one, or add its lists to {self.metadata}"
                )
            if self.layout == "cub":
                self._located[split] = read_cub(self.metadata, split)
            elif self.layout == "wsol":
                self._located[split] = read_wsol(self.root, self.metadata, split)
            else:
                self._located[split] = read_openimages(self.root, self.metadata, split)
        return self._located[split]

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images of one split, in the order of its list.

        Raises:
            DataError: there is no such split, its lists do not fit each other, it is of another length than
                expected, or images are missing.
        """
        ids = tuple(self.located(split))
        check_count(self, split, len(ids), self._counts, self.metadata)
        if split not in self._present:
            missing = [one for one in ids if not self.image_path(one).is_file()]
            if missing:
                raise DataError(
                    f"expected the {len(ids)} images of split {split} of {self.name} below "
                    f"{self.image_path('')}, missing {name_some(missing)}: add them or set dataset.root"
                )
            self._present.add(split)
        return ids

    def image_path(self, image_id: str) -> Path:
        """File of one image."""
        return (self.root / "images" if self.layout == "cub" else self.root) / image_id

    def tags(self, image_id: str) -> tuple[int, ...]:
        """The label of an image's one class, 1..C."""
        return (self._find(image_id).label,)

    def size(self, image_id: str) -> tuple[int, int]:
        """Height and width of one image: by the lists, or by its file where they do not tell.

        Raises:
            DataError: the file cannot be read.
        """
        size = self._find(image_id).size
        return _size_of(self.image_path(image_id)) if size is None else size

    def boxes(self, image_id: str) -> NDArray[np.int64]:
        """Boxes of the objects in one image: (n, 4) int64 x0 y0 x1 y1, n = 0 where none are known.

        Whether x1 and y1 are the last pixels or one beyond is as in the lists; IoU counts them in.
        """
        return np.array(self._find(image_id).boxes, np.int64).reshape(-1, 4)

    def mask_path(self, image_id: str) -> Path | None:
        """File of the label map of one image; None where there is none, as with the layouts' own masks."""
        if self._masks is None:
            return None
        path = self._masks / str(PurePosixPath(image_id).with_suffix(".png"))
        return path if path.is_file() else None

    def has_masks(self, image_id: str) -> bool:
        """Whether `object_mask` can be asked for an image."""
        return bool(self._find(image_id).masks) or self.mask_path(image_id) is not None

    def object_mask(self, image_id: str, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Pixels of an image's class: (H, W) uint8, 1 object, 0 the rest, 255 ignored.

        Args:
            image_id: an image with masks (`has_masks`).
            size: (H, W) to bring them to, by the nearest pixel; None: the size of the image.

        Raises:
            DataError: the image has no masks, or a file cannot be read.
            ArtifactError: its label map is damaged, or has values out of range.

        Source: wsolevaluation: a pixel of any instance is the object's; ignored pixels are what is left of
            the ignored region.
        """
        if not self.has_masks(image_id):
            raise DataError(f"expected masks for {image_id}, found none: leave it out of scoring by pixels")
        found = self._find(image_id)
        to = self.size(image_id) if size is None else size
        if not found.masks:
            labels = _nearest(self.truth(image_id), to)
            return np.where(labels == IGNORE, IGNORE, labels == found.label).astype(np.uint8)
        ignored = np.zeros(to, bool) if found.ignore is None else _read_binary(found.ignore, to)
        instances = np.any([_read_binary(one, to) for one in found.masks], axis=0)
        return np.where(instances, 1, np.where(ignored, IGNORE, 0)).astype(np.uint8)

    def check(self, split: str) -> None:
        """Refuse a split that cannot be trained or scored on.

        Raises:
            DataError: images are missing, labels are no class, boxes leave their images, or a class of a
                split for training has no images.
        """
        super().check(split)
        ids = self.ids(split)
        # Splits for scoring may lack classes.
        if split.startswith("train"):
            counts = Counter(self._find(one).label for one in ids)
            lacking = [name for label, name in enumerate(self.classes, start=1) if not counts[label]]
            if lacking:
                raise DataError(
                    f"expected images of all {len(self.classes)} classes in split {split} of {self.name}, "
                    f"got none of {name_some(lacking)}: add images, or take the classes out"
                )
        if self._check_boxes:
            outside = [where for one in ids if (where := self._outside(one))]
            if outside:
                raise DataError(
                    f"expected boxes x0 y0 x1 y1 inside their images in split {split} of {self.name}, got "
                    f"others for {name_some(outside)}: correct the lists, take those of these images, or set "
                    "dataset.check_boxes=False"
                )

    def _outside(self, image_id: str) -> str:
        """Words for the first box that is empty or leaves its image; none where all are well."""
        boxes = self.boxes(image_id)
        if not len(boxes):
            return ""
        height, width = self.size(image_id)
        for x0, y0, x1, y1 in boxes.tolist():
            inside = 0 <= x0 <= x1 <= width + 1 and 0 <= y0 <= y1 <= height + 1 and x0 < width and y0 < height
            if not inside:
                return f"{image_id} ({x0} {y0} {x1} {y1} in {width} x {height} pixels)"
        return ""

    def _find(self, image_id: str) -> Located:
        for split in (*self._located, *(one for one in self.splits if one not in self._located)):
            found = self.located(split).get(image_id)
            if found is not None:
                return found
        raise DataError(f"expected an image of {self.name}, got {image_id!r}: choose out of its lists")

    def _find_classes(self) -> tuple[str, ...]:
        if (self.metadata / CLASSES).is_file():
            return read_class_names(self.metadata / CLASSES)
        split = next((one for one in self.splits if one.startswith("train")), self.splits[0])
        folders: dict[int, set[str]] = {}
        for image_id, found in self.located(split).items():
            folders.setdefault(found.label, set()).add(PurePosixPath(image_id).parent.name)
        labels = range(1, max(folders) + 1)
        names = [next(iter(folders[one])) for one in labels if len(folders.get(one, ())) == 1]
        is_named = len(names) == len(set(names)) == len(labels) and all(names)
        return tuple(names) if is_named else tuple(f"class {one}" for one in labels)


def _size_of(path: Path) -> tuple[int, int]:
    try:
        with open_picture(path) as image:
            return image.height, image.width
    except UNREADABLE as error:
        raise DataError(f"expected an image at {path}, got: {error}: replace the file") from error


def _read_binary(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of a file that are not 0, at another size."""
    try:
        with open_picture(path) as image:
            pixels = np.asarray(image)
    except UNREADABLE as error:
        raise DataError(f"expected a mask at {path}, got: {error}: replace the file") from error
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3].max(axis=2)
    return _nearest((pixels > 0).astype(np.uint8), size) > 0


def _nearest(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    resized = cv2.resize(pixels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)
