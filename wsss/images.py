"""Reading images as the networks want them, whatever the file holds."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wsss.errors import DataError
from wsss.limits import FORMATS, UNREADABLE, open_picture
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
# Orientations that exchange height and width.
_LYING = (5, 6, 7, 8)
# What whole files end with, though cameras may write a few bytes more.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_TAIL = 64


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """An image on the disk and how it is read; little to send to another process.

    Attributes:
        path: any file that Pillow reads.
        upright: turned as its EXIF header asks, as viewers show it; else the pixels as they are stored.
    """

    path: Path
    upright: bool = True


def read_image(file: str | Path | ImageFile) -> NDArray[np.uint8]:
    """Read one image as RGB.

    This and `read_size` are all that looks at the orientation in EXIF headers: what comes out is the frame
    of seeds, masks and predictions. A plain path is read upright. Pillow itself turns TIFF files, always.
    Grayscale, palette and CMYK images are converted; an alpha channel is dropped and the stored colours are
    kept; 16-bit grayscale keeps its upper 8 bits; of an animation the first frame is read.

    Args:
        file: a file of one of `wsss.limits.FORMATS`.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255].

    Raises:
        DataError: the file is absent, truncated, damaged, no image, too large, or holds values of unknown
            range.
    """
    file = _as_file(file)
    with _opened(file.path) as image:
        # Asked first: decoding also finds a header behind a PNG's pixels, which `read_size` cannot know of.
        asks = _orientation(image) != 1
        image.load()
        turned = ImageOps.exif_transpose(image) if file.upright and asks else image
        return _convert_to_rgb(turned)


def read_size(file: str | Path | ImageFile) -> tuple[int, int]:
    """Size (H, W) that `read_image` gives an image, from its header alone.

    Raises:
        DataError: the file is absent, no image, too large, or holds values of unknown range.
    """
    file = _as_file(file)
    with _opened(file.path) as image:
        lies = file.upright and _orientation(image) in _LYING
        return (image.width, image.height) if lies else (image.height, image.width)


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


def denormalize_image(image: "torch.Tensor") -> NDArray[np.uint8]:
    """Undo `normalize_image`.

    Args:
        image: (3, H, W) float.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    pixels: NDArray[np.float32] = image.detach().cpu().permute(1, 2, 0).float().numpy()
    restored = (pixels * np.array(IMAGENET_STD) + np.array(IMAGENET_MEAN)) * 255
    return np.round(restored).clip(0, 255).astype(np.uint8)


def check_images(files: Mapping[str, Path | ImageFile]) -> None:
    """Find images that cannot be read before hours are spent on the others.

    Only the header and the last bytes of a file are read, several thousand files a second; decoding them all
    would take as long as an epoch of loading. A file that does not end as its format does is decoded, and so
    is one of a format without such an end. What is damaged inside shows when it is read.

    Images whose header asks to be turned are named in a warning, and what becomes of them.

    Args:
        files: image id -> file.

    Raises:
        DataError: files are absent, truncated, no images, too large, or hold values of unknown range.
    """
    problems: dict[str, str] = {}
    turned = []
    upright = True
    for image_id, file in track(files.items(), "check images", total=len(files)):
        try:
            if _is_turned(_as_file(file).path):
                turned.append(image_id)
                upright = _as_file(file).upright
        except DataError as error:
            problems[image_id] = str(error)
    if turned:
        logger.warning("the headers of %s ask for a rotation; %s", _name_some(turned), say_frame(upright))
    if problems:
        first, *others = problems
        more = f" (and {_name_some(others)})" if others else ""
        raise DataError(f"{problems[first]}{more}")


def say_frame(upright: bool) -> str:
    """What becomes of images whose headers ask to be turned, in words."""
    if upright:
        return "images are turned upright, and so are their seeds and masks (--exif keep: as stored)"
    return "images are used as they are stored, and seeds and masks lie as these do"


def _as_file(file: str | Path | ImageFile) -> ImageFile:
    return file if isinstance(file, ImageFile) else ImageFile(Path(file))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1: none. TIFF files count as upright, since Pillow turns them itself."""
    # Asking a PNG for a header that it does not begin with would decode it.
    asks = image.format in ("JPEG", "MPO", "WEBP") or (image.format == "PNG" and "exif" in image.info)
    return int(image.getexif().get(_ORIENTATION, 1)) if asks else 1


def _is_turned(path: Path) -> bool:
    """Whether an image's header asks viewers to turn it; looks for whole files on the way."""
    with _opened(path) as image:
        name = str(image.format)
        turned = _orientation(image) != 1
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
            f"expected a whole image at {path}, got: {reason}: replace the file ({', '.join(FORMATS)}) or "
            "leave it out"
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
