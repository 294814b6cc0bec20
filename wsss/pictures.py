"""Image files that people name on the command line."""

import dataclasses
import glob
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import atomic_write, voc_palette
from wsss.datasets.folder import SUFFIXES
from wsss.errors import ConfigError
from wsss.manifests import is_inside

# Folders of what is made of images.
MASKS, OVERLAYS = "masks", "overlays"
_OPACITY = 0.55
_QUALITY = 90
_BAND = 256  # rows


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image to predict.

    Attributes:
        file: where it lies.
        name: what its predictions are called: its path below the folder that was given, without suffix.
    """

    file: Path
    name: str


def find_pictures(inputs: Sequence[str], *, out_dir: Path | None = None) -> list[Picture]:
    """Images that files, folders, patterns and lists name.

    Args:
        inputs: image files; folders, which are searched with all below them; patterns such as ``"a/*.jpg"``;
            text files ``.txt`` with a path in each line, relative to the list's folder.
        out_dir: where masks and overlays go; those of an earlier call are no input, even where they lie in a
            folder that was given.

    Returns:
        Sorted by name.

    Raises:
        ConfigError: an input is absent or holds no image, or two images would have predictions of one name.
    """
    named = {one for text in inputs for one in _pictures_in(text)}
    if out_dir is not None:
        written = [out_dir.expanduser().resolve() / name for name in (MASKS, OVERLAYS)]
        named = {one for one in named if not any(one.file.resolve().is_relative_to(it) for it in written)}
        if not named:
            raise ConfigError(
                f"expected images outside of {written[0]} and {written[1]}, which are written, got none: "
                "choose another --out"
            )
    found = sorted(named, key=lambda one: one.name)
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise ConfigError(
                f"expected images with names of their own, got {one.file} and {other.file}: predict them "
                "with two calls, or give the folder above both"
            )
    return found


def name_of(path: str) -> str:
    """Name of an image's predictions: its path without suffix, or its last part where that leads elsewhere.

    >>> name_of("a/b.jpg"), name_of("/photos/b.jpg")
    ('a/b', 'b')
    """
    name = Path(path).with_suffix("").as_posix()
    return name if is_inside(name) else Path(name).name


def _pictures_in(text: str) -> Iterator[Picture]:
    path = Path(text).expanduser()
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        named = [Picture(one, one.relative_to(path).with_suffix("").as_posix()) for one in files]
    elif path.suffix.lower() == ".txt" and path.is_file():
        listed = [line.strip() for line in _read_list(path).split("\n") if line.strip()]
        named = [Picture(path.parent / one, name_of(one)) for one in listed]
    elif path.is_file():
        named = [Picture(path, path.stem)]
    else:
        matches = sorted(glob.glob(str(path), recursive=True))
        named = [Picture(Path(one), Path(one).stem) for one in matches if Path(one).is_file()]
    if not named:
        raise ConfigError(
            f"expected an image, a folder with images, a pattern or a list .txt at {text}, found none: "
            f"correct it (images end in {', '.join(sorted(SUFFIXES))})"
        )
    yield from named


def _read_list(file: Path) -> str:
    try:
        # Windows' editors put a byte-order mark first.
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected a list in UTF-8, got other bytes in {file}: save it as UTF-8") from error


def overlay(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels in VOC's colours over the image, background left as it is.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn: Any = image.copy()
    palette = voc_palette()
    # Band by band: the sums take 24 bytes a pixel and more, which a large picture has no room for.
    for begin in range(0, len(image), _BAND):
        band = slice(begin, begin + _BAND)
        inside = labels[band] > 0
        mixed = (1 - _OPACITY) * image[band][inside] + _OPACITY * palette[labels[band][inside]]
        drawn[band][inside] = np.round(mixed).astype(np.uint8)
    result: NDArray[np.uint8] = drawn
    return result


def write_overlay(path: Path, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Write `overlay` as a JPEG.

    Args:
        path: the file.
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8.
    """
    with atomic_write(path) as temporary:
        Image.fromarray(overlay(image, labels)).save(temporary, format="JPEG", quality=_QUALITY)
