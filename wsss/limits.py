"""How much one file may unfold to: what is too large is refused by its header, before it is decoded."""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from PIL import Image

from wsss.errors import ConfigError, DataError

# 10,000 x 10,000; as RGB 300 MB. A network could not take it either.
PIXELS = 100_000_000
VARIABLE = "WSSS_MAX_PIXELS"
# Seeds and maps of other methods: many classes, but one byte or two of each pixel.
_BYTES_PER_PIXEL = 16
# Readers of the formats that people keep images in; that of JPEG reads cameras' MPO too. Of the others one
# (EPS) would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# What Pillow raises on damaged files, whichever bytes were hit.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    ArithmeticError,
    LookupError,
    MemoryError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
)


def max_pixels() -> int:
    """Most pixels that an image may have: 100 million, or what the environment says.

    Raises:
        ConfigError: ``WSSS_MAX_PIXELS`` is no number above 0.
    """
    text = os.environ.get(VARIABLE) or str(PIXELS)
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ConfigError(f"expected {VARIABLE} to be a number of pixels above 0, got {text!r}: correct it")
    return int(text)


def check_pixels(size: tuple[int, int], where: object) -> None:
    """Refuse an image that is too large to be one.

    Args:
        size: (H, W), as a header or a list has it.
        where: file or image id, for the message.

    Raises:
        DataError: it has more pixels than `max_pixels`.
    """
    height, width = size
    if height * width > max_pixels():
        raise DataError(
            f"expected an image of at most {max_pixels():,} pixels at {where}, got {width:,} x {height:,}: "
            f"leave it out, or set {VARIABLE} if you trust it"
        )


@contextlib.contextmanager
def open_picture(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file and read its header; Pillow is used nowhere else to open one.

    Args:
        path: a file of one of `FORMATS`, whatever its name says.

    Raises:
        DataError: it has more pixels than `max_pixels`.
        OSError: as Pillow does; decoding it may raise any of `UNREADABLE`.
    """
    # Pillow has a limit of its own, which would stay below one that was raised here.
    Image.MAX_IMAGE_PIXELS = max_pixels()
    try:
        with Image.open(path, formats=FORMATS) as image:
            check_pixels((image.height, image.width), path)
            # Pillow maps plain files that it knows by name into memory, and then reads the rows of a TIFF
            # that lies on its side at the wrong width.
            image.filename = ""
            yield image
    except Image.DecompressionBombError as error:
        raise DataError(
            f"expected an image of at most {max_pixels():,} pixels at {path}, got more: leave it out, or set "
            f"{VARIABLE} if you trust it"
        ) from error


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[NpzFile]:
    """Open an ``.npz`` without pickles whose content is not too large.

    Args:
        path: the file.

    Raises:
        ValueError: it is none, or unfolds to more than 16 bytes for each of `max_pixels`.
        Exception: numpy and zipfile raise a dozen kinds of errors on damaged files.
    """
    content = np.load(path, allow_pickle=False)
    if not isinstance(content, NpzFile):
        raise ValueError(f"{type(content).__name__} in place of an npz")
    with content:
        unfolded = sum(one.file_size for one in content.zip.infolist()) if content.zip is not None else 0
        if unfolded > _BYTES_PER_PIXEL * max_pixels():
            raise ValueError(f"{unfolded:,} bytes, too many for maps of one image")
        yield content
