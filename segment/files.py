"""Predictions of anyone's image files: found, labelled in turn, written in the forms that people ask for."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segment.infer import write_probabilities
from segment.segmentor import WINDOW, Segmentor
from wsss.artifacts import read_mask, write_json, write_mask
from wsss.datasets.tables import read_table
from wsss.errors import ConfigError, DataError
from wsss.formats.masks import coco_rle
from wsss.images import ImageFile, read_image, read_size
from wsss.log import logger
from wsss.pictures import MASKS, OVERLAYS, Picture, name_of, write_overlay
from wsss.progress import track

PROBABILITIES = "probabilities"
RLE = "predictions.json"
SETTINGS = "predict.json"


@dataclasses.dataclass(frozen=True)
class How:
    """How images are predicted and what is written; None leaves a choice to the network's own settings.

    Attributes:
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        crf: sharpen with the dense CRF.
        window: longest side that is predicted at once, in pixels.
        batch: images of one size that are predicted together.
        overlays: write ``overlays/NAME.jpg``, the labels over the image.
        probabilities: write ``probabilities/NAME.npz`` in the form of seeds; not for images above the window.
        rle: write one ``predictions.json`` with all masks in COCO's RLE.
        upright: turn images as their EXIF headers ask; else masks lie as the pixels are stored.
    """

    scales: tuple[float, ...] | None = None
    flip: bool | None = None
    crf: bool | None = None
    window: int = WINDOW
    batch: int = 1
    overlays: bool = False
    probabilities: bool = False
    rle: bool = False
    upright: bool = True


def predict_files(
    segmentor: Segmentor,
    pictures: Sequence[Picture],
    out_dir: Path,
    *,
    how: How,
    tags: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, str]:
    """Predict images; what is there already is left as it is.

    Masks are palette PNGs ``masks/NAME.png`` of 0..C in the frame of `read_image`, as ``how.upright`` says.

    Args:
        segmentor: the network.
        pictures: from `find_pictures`.
        out_dir: the folder to write.
        how: settings.
        tags: name of the picture -> classes that it may have; None: all classes for all.

    Returns:
        Name -> reason, of the images that could not be read; all others are done.

    Raises:
        ConfigError: the folder holds predictions of another network or of other settings, or a picture has
            no tags.
    """
    _refuse_untagged(pictures, tags)
    _claim(out_dir, segmentor, how, tags)
    unreadable: dict[str, str] = {}
    todo = [one for one in pictures if not _is_done(out_dir, one, how)]
    batches = _batches(todo, how, unreadable)
    for batch in track(batches, "predict", unit="batch" if how.batch > 1 else "image"):
        images = []
        for picture in batch:
            try:
                images.append((picture, read_image(ImageFile(picture.file, how.upright))))
            except DataError as error:
                unreadable[picture.name] = str(error)
        if images:
            _predict(segmentor, images, out_dir, how, tags)
    if how.rle:
        done = [one for one in pictures if one.name not in unreadable]
        masks = ((one.name, read_mask(out_dir / MASKS / f"{one.name}.png")) for one in done)
        write_json(out_dir / RLE, coco_rle(masks, segmentor.classes))
    return unreadable


def _refuse_untagged(pictures: Sequence[Picture], tags: Mapping[str, Sequence[str]] | None) -> None:
    missing = [one.name for one in pictures if tags is not None and one.name not in tags]
    if missing:
        raise ConfigError(
            f"expected tags of {len(pictures)} images, got none for {len(missing)} (first: {missing[0]}): "
            "add them to the CSV, or leave --tags out"
        )


def _claim(out_dir: Path, segmentor: Segmentor, how: How, tags: Mapping[str, Sequence[str]] | None) -> None:
    """Write down what this folder's predictions are made with, or refuse to mix them with others."""
    settings = {
        "network": segmentor.facts.get("key"),
        "classes": list(segmentor.classes),
        "scales": list(how.scales or segmentor.infer["scales"]),
        "flip": bool(segmentor.infer["flip"]) if how.flip is None else how.flip,
        "crf": bool(segmentor.infer.get("crf")) if how.crf is None else how.crf,
        "window": how.window,
        "upright": how.upright,
        "tags": None if tags is None else {name: list(own) for name, own in sorted(tags.items())},
    }
    file = out_dir / SETTINGS
    if not file.is_file():
        write_json(file, settings)
        return
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        before = {}
    different = [
        key for key, value in settings.items() if not isinstance(before, dict) or before.get(key) != value
    ]
    if different:
        raise ConfigError(
            f"expected predictions of the same network and settings in {out_dir}, got another "
            f"{', '.join(different)}: choose another --out, or delete the folder"
        )


def _is_done(out_dir: Path, picture: Picture, how: How) -> bool:
    """Whether all that is asked for of one image is there."""
    mask = out_dir / MASKS / f"{picture.name}.png"
    if not mask.is_file():
        return False
    if how.overlays and not (out_dir / OVERLAYS / f"{picture.name}.jpg").is_file():
        return False
    if not how.probabilities or (out_dir / PROBABILITIES / f"{picture.name}.npz").is_file():
        return True
    # Images above the window have none.
    return max(read_size(mask)) > how.window


def _batches(pictures: Sequence[Picture], how: How, unreadable: dict[str, str]) -> list[list[Picture]]:
    """Images that are predicted together: of one size, and small enough for one window."""
    if how.batch <= 1:
        return [[one] for one in pictures]
    by_size: dict[tuple[int, int], list[Picture]] = {}
    for one in pictures:
        try:
            by_size.setdefault(read_size(ImageFile(one.file, how.upright)), []).append(one)
        except DataError as error:
            unreadable[one.name] = str(error)
    found = []
    for size, same in by_size.items():
        count = how.batch if max(size) <= how.window else 1
        found += [same[begin : begin + count] for begin in range(0, len(same), count)]
    return found


def _predict(
    segmentor: Segmentor,
    images: Sequence[tuple[Picture, NDArray[np.uint8]]],
    out_dir: Path,
    how: How,
    tags: Mapping[str, Sequence[str]] | None,
) -> None:
    if max(images[0][1].shape[:2]) > how.window:
        for picture, image in images:
            own = None if tags is None else tags[picture.name]
            labels = segmentor.predict(
                image, tags=own, scales=how.scales, flip=how.flip, crf=how.crf, window=how.window
            )
            if how.probabilities:
                logger.info("%s: larger than the window, its probabilities are not kept", picture.name)
            _write(out_dir, picture, image, labels, how)
        return
    found = segmentor.batch_probabilities([image for _, image in images], scales=how.scales, flip=how.flip)
    for (picture, image), probabilities in zip(images, found, strict=True):
        own = None if tags is None else tags[picture.name]
        if how.probabilities:
            write_probabilities(out_dir / PROBABILITIES / f"{picture.name}.npz", probabilities)
        _write(out_dir, picture, image, segmentor.label(image, probabilities, tags=own, crf=how.crf), how)


def _write(
    out_dir: Path, picture: Picture, image: NDArray[np.uint8], labels: NDArray[np.uint8], how: How
) -> None:
    if how.overlays:
        write_overlay(out_dir / OVERLAYS / f"{picture.name}.jpg", image, labels)
    # Last, because a mask says that its image is done.
    write_mask(out_dir / MASKS / f"{picture.name}.png", labels)


def read_tags(file: Path, classes: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Tags of images out of a CSV as data set ``folder`` reads it.

    Args:
        file: columns ``file`` and ``tags``.
        classes: of the network; their spelling wins.

    Returns:
        Path without suffix -> names, and what was understood beyond commas and semicolons, in words.

    Raises:
        DataError: the file is absent or faulty.
        ConfigError: a tag is no class of the network.
    """
    rows, remarks = read_table(file, classes=classes)
    for row in rows:
        unknown = [one for one in row.tags if one not in classes]
        if unknown:
            raise ConfigError(
                f"expected tags out of the network's classes ({', '.join(classes[:5])}, ...), got "
                f"{unknown[0]!r} in line {row.line} of {file}: correct or drop it"
            )
    return {name_of(row.cells["file"]): row.tags for row in rows}, remarks
