"""Label maps on the disk (docs/artifacts.md)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.errors import ArtifactError
from wsss.limits import UNREADABLE, open_picture
from wsss.writing import atomic_write

# In masks: pixels that are not scored and teach nothing; in masks made here, those that nobody is sure of.
IGNORE = 255


def write_mask(path: str | Path, mask: NDArray[Any]) -> None:
    """Write a label map as a palette PNG, atomically.

    Args:
        path: the ``ID.png`` to write.
        mask: (H, W) integer, 0 background, 1..C classes, 255 ignore.

    Raises:
        ArtifactError: not (H, W), or values outside 0..255.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.png"
    ...     write_mask(path, np.array([[0, 3, 255]]))
    ...     read_mask(path, num_classes=3)
    array([[  0,   3, 255]], dtype=uint8)
    """
    if mask.ndim != 2 or mask.size == 0 or mask.min() < 0 or mask.max() > 255:
        raise ArtifactError(
            f"expected a mask (H, W) of values 0..255 for {path}, got {mask.shape} {mask.dtype}: "
            "pass a label map"
        )
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8), mode="P")
    image.putpalette(voc_palette().tobytes())
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")


def read_mask(
    path: str | Path, *, num_classes: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Read a label map.

    Args:
        path: palette or 8-bit grayscale PNG.
        num_classes: number of classes C without background; values above it other than 255 are refused.
        size: expected (H, W).

    Returns:
        (H, W) uint8, 0 background, 1..C classes, 255 ignore.

    Raises:
        ArtifactError: the file is absent, damaged, of another size, or has values out of range.
    """
    path = Path(path)
    try:
        with open_picture(path) as image:
            if image.mode not in ("P", "L"):
                raise ArtifactError(
                    f"expected a palette or 8-bit grayscale PNG at {path}, got mode {image.mode}: "
                    "export label indices, not colours"
                )
            mask = np.asarray(image, dtype=np.uint8)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"expected a mask at {path}, found no file: run the stage that makes it"
        ) from error
    except UNREADABLE as error:
        raise ArtifactError(
            f"expected a whole PNG at {path}, got: {error}: delete it and run again"
        ) from error
    if size is not None and mask.shape != tuple(size):
        raise ArtifactError(
            f"expected a mask of size {tuple(size)}, got {mask.shape} at {path}: it is another image's"
        )
    if num_classes is not None:
        wrong = np.setdiff1d(np.unique(mask), [*range(num_classes + 1), IGNORE])
        if wrong.size:
            raise ArtifactError(
                f"expected mask values 0..{num_classes} or 255, got {wrong[:5].tolist()} at {path}: "
                "map the labels to this data set's classes"
            )
    return mask


def voc_palette() -> NDArray[np.uint8]:
    """The (256, 3) RGB palette of PASCAL VOC: bit k of the label goes to the high bits of r, g, b in turn."""
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((labels >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette
