"""Reading images as the networks want them, whatever the file holds."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.errors import DataError

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
# 32-bit integers and floats have no known range, so nobody can say which value is white.
_NO_RANGE = ("I", "F")


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read one image as RGB.

    The orientation in the EXIF header is not applied: masks are drawn on the pixels as they are stored.
    Grayscale, palette and CMYK images are converted; an alpha channel is dropped and the stored colours are
    kept; 16-bit grayscale keeps its upper 8 bits; of an animation the first frame is read.

    Args:
        path: any file that Pillow reads.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255].

    Raises:
        DataError: the file is absent, truncated, damaged, no image, or holds values of unknown range.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            image.load()
            if image.mode in _NO_RANGE:
                raise DataError(
                    f"expected an image of 8 or 16 bits per value at {path}, got Pillow mode {image.mode}: "
                    "convert it to 8-bit RGB"
                )
            return _convert_to_rgb(image)
    except FileNotFoundError as error:
        raise DataError(f"expected an image at {path}, found no file: check dataset.root") from error
    except _UNREADABLE as error:
        reason = (str(error).replace(str(path), "the file").splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"expected a whole image at {path}, got: {reason}: replace the file or leave it out"
        ) from error


def _convert_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    # np.array copies: what np.asarray gives is read-only, and torch warns about it.
    return np.array(image.convert("RGB"), dtype=np.uint8)
