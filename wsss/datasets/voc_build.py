"""VOC 2012 with SBD's masks: find, fetch, convert and check; what ``wsss data voc`` does."""

import contextlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.archives import unpack_tar
from wsss.artifacts import IGNORE, atomic_write, write_mask
from wsss.datasets.base import name_some, read_id_list
from wsss.datasets.labels import read_labels
from wsss.datasets.voc import VOC_CLASSES, VocDataSet
from wsss.errors import ConfigError, DataError
from wsss.progress import track

LISTS = Path("ImageSets") / "Segmentation"
AUG = "SegmentationClassAug"
_LAYOUT = ("VOCdevkit", "VOC2012")
_SBD_SPLITS = ("train.txt", "val.txt")


def find_voc(folder: Path) -> Path:
    """The folder ``VOC2012`` in or at a given one, which may also be ``VOCdevkit`` or hold it.

    Raises:
        DataError: there is none.
    """
    for candidate in (folder, folder / _LAYOUT[1], folder.joinpath(*_LAYOUT)):
        if (candidate / "JPEGImages").is_dir():
            return candidate
    raise DataError(
        f"expected VOC 2012 (a folder with JPEGImages) in {folder}, found none: give --root, or fetch it "
        "with wsss data voc --download"
    )


def download_voc(root: Path, sbd: Path) -> None:
    """Fetch VOC 2012 (train and val, 2 GB) and SBD (1.4 GB) and unpack them; checksums are torchvision's.

    Args:
        root: where VOC shall be, a path that ends in ``VOCdevkit/VOC2012``.
        sbd: folder for SBD.

    Raises:
        ConfigError: ``root`` does not end so.
        DataError: no connection, no space, or a file that does not match its checksum.
    """
    if root.parts[-2:] != _LAYOUT:
        raise ConfigError(
            f"expected a root that ends in VOCdevkit/VOC2012 for --download, got {root}: change it"
        )
    from torchvision.datasets import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    voc = DATASET_YEAR_DICT["2012"]
    if not (root / "JPEGImages").is_dir():
        _fetch(voc["url"], root.parent.parent, filename=voc["filename"], md5=voc["md5"])
    if _sbd_dataset(sbd) is None:
        _fetch(SBDataset.url, sbd, filename=SBDataset.filename, md5=SBDataset.md5)


def convert_sbd(root: Path, sbd: Path) -> int:
    """Write ``SegmentationClassAug`` and the list ``train_aug.txt`` of a VOC folder from SBD.

    train_aug is VOC's train and all of SBD but for VOC's val: 10,582 images. VOC's own mask stands where
    there is one, SBD's elsewhere. Masks that are there already are kept.

    Args:
        root: ``VOC2012``.
        sbd: folder with ``cls/*.mat`` and ``train.txt``, ``val.txt``, or one above it.

    Returns:
        Number of masks written.

    Raises:
        DataError: SBD is not there, or a file of it is broken.
    """
    source = _sbd_dataset(sbd)
    if source is None:
        raise DataError(
            f"expected SBD (cls/*.mat, train.txt, val.txt) in {sbd}, found none: give --sbd or --download"
        )
    train, val = (read_id_list(root / LISTS / f"{split}.txt") for split in ("train", "val"))
    augmented = {*train, *(one for name in _SBD_SPLITS for one in read_id_list(source / name))} - {*val}
    wanted = {one: root / AUG / f"{one}.png" for one in (*sorted(augmented), *val)}
    todo = {one: path for one, path in wanted.items() if not path.is_file()}
    for image_id, path in track(todo.items(), "masks of SBD", total=len(todo)):
        own = root / "SegmentationClass" / f"{image_id}.png"
        if own.is_file():
            with atomic_write(path) as temporary:
                shutil.copyfile(own, temporary)
        else:
            write_mask(path, read_sbd_mask(source / "cls" / f"{image_id}.mat"))
    listed = root / LISTS / "train_aug.txt"
    if not listed.is_file():
        with atomic_write(listed) as temporary:
            temporary.write_text("".join(f"{one}\n" for one in sorted(augmented)), encoding="utf-8")
    return len(todo)


def read_sbd_mask(path: Path) -> NDArray[np.uint8]:
    """Class map of one of SBD's ``cls/ID.mat``: (H, W) uint8, 0 background, 1..20.

    Raises:
        DataError: the file is absent, broken, or holds something else.
    """
    from scipy.io import loadmat

    try:
        mask = np.asarray(loadmat(path)["GTcls"][0]["Segmentation"][0])
    # scipy raises whatever its parser meets in a damaged file.
    except Exception as error:
        raise DataError(f"expected SBD's GTcls at {path}, got: {error}: unpack SBD again") from error
    if mask.ndim != 2 or mask.dtype.kind not in "iu" or not np.isin(mask, [*range(21), IGNORE]).all():
        raise DataError(
            f"expected (H, W) labels 0..20 at {path}, got {mask.dtype} {mask.shape}: unpack SBD again"
        )
    return mask.astype(np.uint8)


def check_voc(
    root: Path, *, counts: Mapping[str, int], labels: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Compare every list with the files.

    Args:
        root: ``VOC2012``.
        counts: split -> number of images that its list should have.
        labels: ``cls_labels.npy`` to take tags from, and to compare with the XML files where there are any.

    Returns:
        For each split ``images``, ``expected``, ``images_missing``, ``masks_missing``, ``tags_missing``,
        ``tags_differ`` (None where only one source of tags is there) and ``problems``, in words.

    Raises:
        DataError: a list, an XML file or the labels file is broken.
    """
    return {split: _check_split(root, split, expected, labels) for split, expected in counts.items()}


def _check_split(root: Path, split: str, expected: int, labels: Path | None) -> dict[str, Any]:
    listed = root / LISTS / f"{split}.txt"
    row: dict[str, Any] = {"images": 0, "expected": expected, "problems": []}
    if not listed.is_file():
        return {**row, "problems": [f"no list {split}.txt: {_advice(split)}"]}
    ids = read_id_list(listed)
    by_xml = VocDataSet(root)
    tags = {one: by_xml.tags(one) for one in ids}
    differ = None
    if labels is not None:
        given = read_labels(labels, len(VOC_CLASSES))
        differ = sum(tags[one] != given.get(one) for one in ids if tags[one]) if any(tags.values()) else None
        tags = {one: given.get(one, ()) for one in ids}
    row |= {
        "images": len(ids),
        "images_missing": sum(not by_xml.image_path(one).is_file() for one in ids),
        "masks_missing": sum(by_xml.mask_path(one) is None for one in ids) if split != "test" else 0,
        "tags_missing": sum(not tags[one] for one in ids) if split.startswith("train") else 0,
        "tags_differ": differ,
    }
    if len(ids) != expected:
        row["problems"].append(f"{len(ids)} ids in place of {expected}: use the official list")
    for key, what in (("images_missing", "images"), ("masks_missing", "masks"), ("tags_missing", "tags")):
        if row[key]:
            row["problems"].append(f"{row[key]} {what} are missing: {_advice(split, what)}")
    if differ:
        wrong = [one for one in ids if by_xml.tags(one) and by_xml.tags(one) != tags[one]]
        row["problems"].append(f"tags of the labels file differ from the XML files for {name_some(wrong)}")
    return row


def _advice(split: str, what: str = "list") -> str:
    if split == "test":
        return (
            "its images come from the VOC evaluation server after registration; only wsss submit needs them"
        )
    if what == "tags":
        return "Annotations/*.xml are in VOCtrainval_11-May-2012.tar, or give dataset.labels=cls_labels.npy"
    if split == "train_aug" and what in ("list", "masks"):
        return "give --sbd DIR with SBD's cls/*.mat, put SegmentationClassAug there, or run with --download"
    return "unpack VOCtrainval_11-May-2012.tar of host.robots.ox.ac.uk, or run with --download"


def _sbd_dataset(folder: Path) -> Path | None:
    for candidate in (folder, folder / "dataset", folder / "benchmark_RELEASE" / "dataset"):
        if (candidate / "cls").is_dir() and all((candidate / name).is_file() for name in _SBD_SPLITS):
            return candidate
    return None


def _fetch(url: str, folder: Path, **archive: str) -> None:
    from torchvision.datasets.utils import download_url

    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Its notes go to stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            download_url(url, str(folder), **archive)
        unpack_tar(folder / archive["filename"], folder)
    # urllib, tarfile and torchvision's own RuntimeError for a wrong checksum.
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(
            f"expected to fetch {url} into {folder}, got: {error}: "
            "check the connection and the space, and run again"
        ) from error
