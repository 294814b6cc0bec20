"""Publishing foreign files as an artifact, and writing an artifact in a foreign format."""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wsss.artifacts import (
    IGNORE,
    MANIFEST,
    SCHEMA,
    SUFFIXES,
    Artifact,
    open_artifact,
    publish,
    read_seed,
    write_json,
    write_mask,
    write_seed,
)
from wsss.contents import Contents
from wsss.datasets import DataSet
from wsss.datasets.base import name_some
from wsss.errors import ArtifactError, ConfigError, DataError
from wsss.folder import UNFINISHED, read_state
from wsss.formats.masks import EXPORTED_MASKS, IMPORTED_MASKS
from wsss.formats.seeds import SEEDS, RawSeed, fit_seed
from wsss.images import read_size
from wsss.log import logger
from wsss.progress import track

# In the place of a run's key while an import is not finished.
_KEY = "import"
HIGH_RES, CAM = KINDS_OF_MAPS = ("high_res", "cam")
_Format = TypeVar("_Format")


def import_seeds(
    format: str,
    src: str | Path,
    dst: str | Path,
    *,
    dataset: DataSet | None = None,
    split: str = "train",
    maps: str = HIGH_RES,
) -> Artifact:
    """Publish another method's soft maps as seeds.

    Maps are kept at stride 4 as float16: maps at stride 4 lose at most .0005, full maps are fitted by least
    squares (see `wsss.formats.seeds.fit_seed`).

    Files of IRN's family and of PuzzleCAM's hold each map twice, and the two differ: published scores are
    those of the full maps.

    Args:
        format: ``irn``, ``puzzle``, ``psa``, ``clip-es``, ``l2g`` or ``npz``.
        src: folder of the files.
        dst: folder to publish; absent, empty or left over from an import that broke off.
        dataset: checks ids, sizes and classes; it is needed where the files do not tell the images' sizes.
        split: the split that the files cover; with ``dataset`` its images alone are imported.
        maps: "high_res": full maps (``high_res``, ``hr_cam``, ...) where the files have them, else what they
            have; "cam": those at stride 4 that ``irn`` and ``puzzle`` have too.

    Raises:
        ConfigError: unknown format, or another value of ``maps``.
        DataError: files are missing, damaged, unsafe to load, do not fit the images, or have no such maps.
        ArtifactError: ``dst`` holds something already, or cannot be written.
    """
    reader = _choose(SEEDS, format)
    if maps not in KINDS_OF_MAPS:
        raise ConfigError(f"expected maps out of {', '.join(KINDS_OF_MAPS)}, got {maps!r}: choose one")
    folder = _existing(src)
    ids = _wanted(reader.ids(folder), dataset, split, folder)
    out = _open_output(dst)
    for image_id in track(ids, f"import seeds from {format}"):
        raw = reader.read(folder, image_id)
        where = f"{image_id} in {folder}"
        if maps == CAM:
            raw = _with_cam(raw, format, where)
        seed = fit_seed(raw, _size(raw, image_id, dataset, where), where)
        if dataset is not None:
            _check_classes(seed.classes.tolist(), dataset, where)
        write_seed(out / f"{image_id}.npz", classes=seed.classes, maps=seed.maps, size=seed.size)
    return _publish(
        out, "seeds", ids, split=split, dataset=dataset, source=(format, folder), facts={"maps": maps}
    )


def _with_cam(raw: RawSeed, format: str, where: str) -> RawSeed:
    """The seed with its maps at stride 4 in place of the full ones."""
    if raw.cam is None and len(raw.classes):
        raise DataError(
            f"expected the entry cam of the format {format} for {where}, found none: import with "
            f"maps={HIGH_RES!r} (--maps {HIGH_RES})"
        )
    return raw if raw.cam is None else raw._replace(maps=raw.cam)


def import_masks(
    format: str,
    src: str | Path,
    dst: str | Path,
    *,
    dataset: DataSet | None = None,
    split: str = "train",
) -> Artifact:
    """Publish masks from elsewhere.

    Args:
        format: ``voc`` or ``irn`` (PNGs of labels, or of VOC's colours), ``mmseg``, ``coco-rle`` (a JSON) or
            ``coco91`` (PNGs of COCO's category ids, which become labels 1..80).
        src: folder, or the JSON.
        dst: folder to publish; absent, empty or left over from an import that broke off.
        dataset: checks ids, sizes and the range of labels.
        split: the split that the files cover; with ``dataset`` its images alone are imported.

    Raises:
        ConfigError: unknown format.
        DataError: files are missing, damaged, or do not fit the images.
        ArtifactError: ``dst`` holds something already, or cannot be written.
    """
    open_source = _choose(IMPORTED_MASKS, format)
    path = _existing(src)
    source = open_source(path)
    ids = _wanted(source.ids(), dataset, split, path)
    out = _open_output(dst)
    for image_id in track(ids, f"import masks from {format}"):
        mask = source.read(image_id)
        if dataset is not None:
            _check_mask(mask, dataset, image_id, f"{image_id} in {path}")
        write_mask(out / f"{image_id}.png", mask)
    return _publish(out, "masks", ids, split=split, dataset=dataset, source=(format, path))


def export_seeds(format: str, src: str | Path, dst: str | Path) -> None:
    """Write published seeds in another method's format.

    ``l2g`` rounds to 1/255 and has no file for an image without tags; the others keep the class maps as they
    are stored, ``npz`` at stride 4 alone. None has a class-agnostic map, logits or thresholds, nor, beside
    maps at stride 4, the border that a method draws itself (`Seed.outside`).

    Args:
        format: ``irn``, ``puzzle``, ``psa``, ``clip-es``, ``l2g`` or ``npz``.
        src: a published folder of seeds.
        dst: folder to write to; files of the same names are replaced.

    Raises:
        ConfigError: unknown format.
        ArtifactError: no published seeds in ``src``, a damaged file, or ``dst`` cannot be written.
    """
    writer = _choose(SEEDS, format)
    artifact = _open_kind(src, ("seeds",))
    out = _separate(artifact, dst)
    for image_id in track(artifact.ids, f"export seeds as {format}"):
        writer.write(out, image_id, read_seed(artifact.file(image_id)))


def export_masks(format: str, src: str | Path, dst: str | Path) -> None:
    """Write published masks, or the predictions of a network, in another format.

    Args:
        format: ``voc`` (palette), ``irn`` (gray), ``mmseg`` (``SegmentationClassAug`` and a list) or
            ``coco-rle`` (a JSON).
        src: a published folder of masks or of the stage segment.
        dst: folder to write to, for ``coco-rle`` also a file; files of the same names are replaced.

    Raises:
        ConfigError: unknown format.
        ArtifactError: no published masks in ``src``, a damaged file, or ``dst`` cannot be written.
    """
    write = _choose(EXPORTED_MASKS, format)
    artifact = _open_kind(src, ("masks", "segment"))
    write(artifact, _separate(artifact, dst))


def _choose(known: Mapping[str, _Format], format: str) -> _Format:
    if format not in known:
        raise ConfigError(f"expected a format out of {', '.join(known)}, got {format!r}: choose one")
    return known[format]


def _existing(src: str | Path) -> Path:
    path = Path(src)
    if not path.exists():
        raise DataError(f"expected files to import at {path}, found nothing: correct the path")
    return path


def _wanted(found: Sequence[str], dataset: DataSet | None, split: str, src: Path) -> tuple[str, ...]:
    """Ids to import: those of the split, or whatever is there."""
    if not found:
        raise DataError(
            f"expected files of this format in {src}, found none: choose the format that they have"
        )
    if dataset is None:
        return tuple(found)
    ids = dataset.ids(split)
    there = set(found)
    # A format without a file for images without tags is not at fault.
    missing = [one for one in ids if one not in there and dataset.tags(one)]
    if missing:
        raise DataError(
            f"expected files for all {len(ids)} images of split {split} of {dataset.name} in {src}, missing "
            f"{name_some(missing)}: add them or choose another --split"
        )
    extra = len(there - set(ids))
    if extra:
        logger.info("%d files are of images outside split %s and are left out", extra, split)
    return tuple(one for one in ids if one in there)


def _open_output(dst: str | Path) -> Path:
    """The folder to fill, if nothing in it can be lost."""
    out = Path(dst)
    # A run that was interrupted leaves a file of that name too, and goes on from what lies beside it.
    if out.is_dir() and any(out.iterdir()) and (read_state(out) or {}).get("key") != _KEY:
        raise ArtifactError(
            f"expected an empty folder or none at {out}, got files: choose another or empty it"
        )
    if (out / MANIFEST).is_file():
        raise ArtifactError(f"expected a folder without {MANIFEST} at {out}, got one: choose another")
    write_json(out / UNFINISHED, {"key": _KEY})
    return out


def _size(raw: RawSeed, image_id: str, dataset: DataSet | None, where: str) -> tuple[int, int]:
    """(H, W) of the image: from the data set if there is one, else from the file."""
    if dataset is not None:
        return read_size(dataset.image_file(image_id))
    if raw.size is None:
        raise DataError(
            f"expected full maps, which tell the image's size, for {where}, found none: give --dataset"
        )
    return raw.size


def _check_classes(classes: Sequence[int], dataset: DataSet, where: str) -> None:
    count = len(dataset.classes)
    if max(classes, default=0) > count:
        raise DataError(
            f"expected classes 1..{count} for {where}, got {list(classes)}: choose the format that it has"
        )


def _check_mask(mask: Any, dataset: DataSet, image_id: str, where: str) -> None:
    size = read_size(dataset.image_file(image_id))
    if mask.shape != size:
        raise DataError(
            f"expected a mask of size {size} for {where}, got {mask.shape}: it is another image's"
        )
    count = len(dataset.classes)
    wrong = sorted({*mask.ravel().tolist()} - {*range(count + 1), IGNORE})
    if wrong:
        raise DataError(
            f"expected labels 0..{count} or 255 for {where}, got {wrong[:5]}: choose the format that it has"
        )


def _publish(
    out: Path,
    kind: str,
    ids: tuple[str, ...],
    *,
    split: str,
    dataset: DataSet | None,
    source: tuple[str, Path],
    facts: Mapping[str, str] | None = None,
) -> Artifact:
    """Write the manifest; the key is the hash of the files."""
    digest = hashlib.sha256()
    for image_id in ids:
        digest.update(f"{image_id}\n".encode())
        digest.update((out / f"{image_id}{SUFFIXES[kind]}").read_bytes())
    publish(
        out,
        {
            "schema": SCHEMA,
            "kind": kind,
            "name": out.name,
            "dataset": "" if dataset is None else dataset.name,
            "classes": [] if dataset is None else list(dataset.classes),
            "split": split,
            "count": len(ids),
            "ids_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
            "image_ids": list(ids),
            "key": digest.hexdigest(),
            "settings": {},
            "inputs": {},
            "figures": {},
            "thresholds": {},
            "imported": {"format": source[0], "from": source[1].name} | dict(facts or {}),
            "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        },
        Contents(),
    )
    (out / UNFINISHED).unlink()
    return open_artifact(out)


def _open_kind(src: str | Path, kinds: tuple[str, ...]) -> Artifact:
    artifact = open_artifact(src)
    if artifact.kind not in kinds:
        raise ArtifactError(
            f"expected {' or '.join(kinds)} in {src}, got {artifact.kind}: give another folder or verb"
        )
    return artifact


def _separate(artifact: Artifact, dst: str | Path) -> Path:
    """The output folder, which must not be the published one: its files would change behind its manifest."""
    out = Path(dst)
    inside = artifact.dir.resolve()
    if out.resolve() == inside or inside in out.resolve().parents:
        raise ArtifactError(f"expected to export outside {artifact.dir}, got {out}: choose another folder")
    return out
