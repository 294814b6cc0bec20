"""Reading images as the networks want them, whatever the file holds."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.errors import DataError
from wsss.limits import UNREADABLE, open_picture
from wsss.log import logger
from wsss.progress import track

if TYPE_CHECKING:
    import torch

# Of red, green and blue in [0, 1], over ImageNet: what all pretrained backbones here expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# 32-bit integers and floats have no known range, so nobody can say which value is white.
_NO_RANGE = ("I", "F")
_ORIENTATION = 0x0112
# What whole files end with, though cameras may write a few bytes more.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_TAIL = 64


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read one image as RGB.

    The orientation in the EXIF header is not applied: masks are drawn on the pixels as they are stored.
    Grayscale, palette and CMYK images are converted; an alpha channel is dropped and the stored colours are
    kept; 16-bit grayscale keeps its upper 8 bits; of an animation the first frame is read.

    Args:
        path: a file of one of `wsss.limits.FORMATS`.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255].

    Raises:
        DataError: the file is absent, truncated, damaged, no image, too large, or holds values of unknown
            range.
    """
    path = Path(path)
    with _opened(path) as image:
        image.load()
        return _convert_to_rgb(image)


def read_size(path: str | Path) -> tuple[int, int]:
    """Size (H, W) of an image as it is stored, from its header alone.

    Raises:
        DataError: the file is absent, no image, too large, or holds values of unknown range.
    """
    with _opened(Path(path)) as image:
        return image.height, image.width


def normalize_image(image: NDArray[np.uint8], device: "torch.device | str | None" = None) -> "torch.Tensor":
    """Bring an image into the form that backbones take: over ImageNet mean 0 and deviation 1.

    Args:
        image: (H, W, 3) uint8 RGB.
        device: where to compute; None: the CPU. A GPU rounds the last bit otherwise.

    Returns:
        (3, H, W) float32 on the device, in memory with the channels last, as the image has them.
    """
    # Here, because most of what reads an image computes nothing, and torch takes seconds to import.
    import torch

    # A copy, because torch takes no views that run backwards, as flips do.
    pixels = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1)
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(3, 1, 1)
    return pixels.float().div(255).sub(mean).div(std)


def check_images(files: Mapping[str, Path]) -> None:
    """Find images that cannot be read before hours are spent on the others.

    Only the header and the last bytes of a file are read, several thousand files a second; decoding them all
    would take as long as an epoch of loading. A file that does not end as its format does is decoded, and so
    is one of a format without such an end. What is damaged inside shows when it is read.

    Images whose header asks to be turned are named in a warning: they are used as they are stored.

    Args:
        files: image id -> file.

    Raises:
        DataError: files are absent, truncated, no images, too large, or hold values of unknown range.
    """
    problems: dict[str, str] = {}
    turned = []
    for image_id, path in track(files.items(), "check images", total=len(files)):
        try:
            if _is_turned(path):
                turned.append(image_id)
        except DataError as error:
            problems[image_id] = str(error)
    if turned:
        logger.warning(
            "the headers of %s ask for a rotation; images are used as they are stored", _name_some(turned)
        )
    if problems:
        first, *others = problems
        more = f" (and {_name_some(others)})" if others else ""
        raise DataError(f"{problems[first]}{more}")


def _is_turned(path: Path) -> bool:
    """Whether an image's header asks viewers to turn it; looks for whole files on the way."""
    with _opened(path) as image:
        name = str(image.format)
        # Asking a PNG would decode it.
        turned = name in ("JPEG", "MPO") and image.getexif().get(_ORIENTATION, 1) != 1
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - _TAIL, 0))
        is_whole = name in _ENDS and _ENDS[name] in stream.read()
    if not is_whole:
        read_image(path)
    return turned


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image whose header has been read; what goes wrong with it inside is a `DataError` with its path."""
    try:
        with open_picture(path) as image:
            if image.mode in _NO_RANGE:
                raise DataError(
                    f"expected an image of 8 or 16 bits per value at {path}, got Pillow mode {image.mode}: "
                    "convert it to 8-bit RGB"
                )
            yield image
    except FileNotFoundError as error:
        raise DataError(f"expected an image at {path}, found no file: check dataset.root") from error
    except UNREADABLE as error:
        reason = (str(error).replace(str(path), "the file").splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"expected a whole image at {path}, got: {reason}: replace the file or leave it out"
        ) from error


def _name_some(image_ids: Sequence[str]) -> str:
    shown = ", ".join(image_ids[:5])
    return f"{len(image_ids)} images: {shown}{', ...' if len(image_ids) > 5 else ''}"


def _convert_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    # np.array copies: what np.asarray gives is read-only, and torch warns about it.
    return np.array(image.convert("RGB"), dtype=np.uint8)
