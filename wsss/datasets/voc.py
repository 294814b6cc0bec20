"""PASCAL VOC 2012, and whatever else lies in its folder layout."""

import functools
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss.artifacts import IGNORE
from wsss.datasets.base import DataSet, check_count, name_some, read_id_list
from wsss.datasets.labels import read_labels
from wsss.errors import DataError
from wsss.paths import resolve_path

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_MASK_FOLDERS = ("SegmentationClassAug", "SegmentationClass")


class VocDataSet(DataSet):
    """A folder in the layout of ``VOCdevkit/VOC2012``.

    Tags come from the labels file where one is given, else from ``Annotations/ID.xml``, where objects marked
    difficult count. Ground truth comes from ``SegmentationClassAug`` (SBD) where it has the image, else from
    ``SegmentationClass``.
    """

    def __init__(
        self,
        root: str | Path = "data/VOCdevkit/VOC2012",
        *,
        labels: str | Path | None = None,
        counts: Mapping[str, int] | None = None,
        name: str = "voc",
        classes: Sequence[str] = VOC_CLASSES,
        only: Sequence[str] | None = None,
    ) -> None:
        """Open the folder; lists and tags are read when asked for.

        Args:
            root: folder that holds ``JPEGImages`` and ``ImageSets``; relative to the project root.
            labels: ``cls_labels.npy``; relative to the project root. None: read the XML files.
            counts: split -> number of images its list must have. Splits that are not named are not checked.
            name: name of the data set.
            classes: names of the classes in label order, without background: what labels and masks hold.
            only: the classes among them that this data set is about, in its own label order; tags of others
                are dropped, and pixels of others are not scored. None: all.

        Raises:
            DataError: there is no such folder, or ``only`` names a class that is not there.
        """
        self.name = name
        self._stored = tuple(classes)
        self.classes = self._stored if only is None else tuple(only)
        unknown = sorted(set(self.classes).difference(self._stored))
        if unknown or len(set(self.classes)) != len(self.classes):
            raise DataError(
                f"expected each name once out of {', '.join(self._stored)} in dataset.only, got "
                f"{unknown or list(self.classes)}: correct the names"
            )
        # Stored label -> label here: 0 and 255 stay, a class that is left out becomes 255.
        self._relabel = np.full(256, IGNORE, np.uint8)
        self._relabel[0] = 0
        for label, one in enumerate(self.classes, start=1):
            self._relabel[self._stored.index(one) + 1] = label
        self.root = resolve_path(root)
        self._labels_path = None if labels is None else resolve_path(labels)
        self._counts = dict(counts or {})
        self._ids: dict[str, tuple[str, ...]] = {}
        self._tags: dict[str, tuple[int, ...]] = {}
        for folder in ("JPEGImages", "ImageSets/Segmentation"):
            if not (self.root / folder).is_dir():
                raise DataError(
                    f"expected the folder {folder} of data set {name} in {self.root}, found none: "
                    "put the data there (wsss data voc fetches VOC 2012) or set dataset.root"
                )

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of the images of one split, in the order of ``ImageSets/Segmentation/SPLIT.txt``.

        Raises:
            DataError: the list is absent, faulty or of another length than expected, or images are missing.
        """
        if split not in self._ids:
            path = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
            ids = read_id_list(path)
            check_count(self, split, len(ids), self._counts, path)
            missing = [str(self.image_path(one)) for one in ids if not self.image_path(one).is_file()]
            if missing:
                raise DataError(
                    f"expected the {len(ids)} images of split {split} of {self.name}, "
                    f"missing {name_some(missing)}: add them or take them out of the list"
                )
            self._ids[split] = ids
        return self._ids[split]

    def image_path(self, image_id: str) -> Path:
        """File of one image."""
        return self.root / "JPEGImages" / f"{image_id}.jpg"

    def tags(self, image_id: str) -> tuple[int, ...]:
        """Labels of the classes in one image: sorted, 1..C, empty where neither file nor entry exists.

        Raises:
            DataError: the labels file or the XML file cannot be read.
        """
        if image_id not in self._tags:
            stored = (
                self._read_annotation(image_id)
                if self._labels_path is None
                else self._labels.get(image_id, ())
            )
            here = {int(self._relabel[label]) for label in stored}
            self._tags[image_id] = tuple(sorted(here - {IGNORE}))
        return self._tags[image_id]

    def mask_path(self, image_id: str) -> Path | None:
        """File of the ground truth of one image, with the labels of all classes. None where there is none."""
        paths = (self.root / folder / f"{image_id}.png" for folder in _MASK_FOLDERS)
        return next((path for path in paths if path.is_file()), None)

    @property
    def stored_classes(self) -> tuple[str, ...]:
        """Names of all classes in the files, also of those that this data set leaves out."""
        return self._stored

    def relabel(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of this data set for those in a file of ground truth; 255 for a class that is left out."""
        return mask if self.classes == self._stored else self._relabel[mask]

    @functools.cached_property
    def _labels(self) -> dict[str, tuple[int, ...]]:
        if self._labels_path is None:
            return {}
        return read_labels(self._labels_path, len(self._stored))

    def _read_annotation(self, image_id: str) -> tuple[int, ...]:
        path = self.root / "Annotations" / f"{image_id}.xml"
        try:
            tree = ElementTree.parse(path)
        except FileNotFoundError:
            return ()
        except (OSError, ElementTree.ParseError) as error:
            raise DataError(f"expected VOC's XML at {path}, got: {error}: replace the file") from error
        # Only direct children: the parts of a person (head, hand, foot) have names too.
        names = {(found.findtext("name") or "").strip() for found in tree.getroot().findall("object")}
        unknown = sorted(names.difference(self._stored))
        if unknown:
            raise DataError(
                f"expected objects of the {len(self._stored)} classes of {self.name} in {path}, "
                f"got {name_some(unknown)}: correct the names"
            )
        return tuple(sorted(self._stored.index(name) + 1 for name in names))
