"""One reader and one writer for each format that seeds come in.

All but ``npz`` count classes from 0; ``puzzle`` lists background as 0 and counts from 1. Ours count from 1.
"""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import Seed, atomic_write, grid_of
from wsss.errors import DataError
from wsss.grid import fit_to_grid
from wsss.limits import UNREADABLE, open_arrays, open_picture
from wsss.pickles import read_pickled

# Maxima of 1.0000001 come from dividing; anything further off was never normalized.
_SLACK = 1e-3
# Labels are stored in 8 bits; 0 is background and 255 means ignore.
_MOST_CLASSES = 254


class RawSeed(NamedTuple):
    """What a foreign file holds: labels 1..C, maps (K, h, w) of any size, and (H, W) if the file tells.

    Where it has maps of two sizes, ``maps`` are the full ones, which the methods' published scores are of,
    and ``cam`` those at stride 4, which their walks start from.
    """

    classes: list[int]
    maps: NDArray[np.float32]
    size: tuple[int, int] | None
    cam: NDArray[np.float32] | None = None


class SeedFormat(abc.ABC):
    """How one family of methods stores the soft maps of an image."""

    @abc.abstractmethod
    def ids(self, folder: Path) -> list[str]:
        """Ids of the images that the folder has files of, sorted; below subfolders they hold a ``/``."""

    @abc.abstractmethod
    def read(self, folder: Path, image_id: str) -> RawSeed:
        """Read one image.

        Raises:
            DataError: a file is damaged, of another format, or a pickle that may run code.
        """

    @abc.abstractmethod
    def write(self, folder: Path, image_id: str, seed: Seed) -> None:
        """Write one image."""


class _OneFile(SeedFormat):
    suffix = ".npy"

    def ids(self, folder: Path) -> list[str]:
        return sorted(
            str(file.relative_to(folder).with_suffix("").as_posix())
            for file in folder.rglob(f"*{self.suffix}")
        )

    def _file(self, folder: Path, image_id: str) -> Path:
        return folder / f"{image_id}{self.suffix}"


class _Pickled(_OneFile):
    """A dict that numpy pickled."""

    what: str

    def read(self, folder: Path, image_id: str) -> RawSeed:
        path = self._file(folder, image_id)
        content = read_pickled(path, f"a .npy file of {self.what}")
        try:
            if not isinstance(content, dict):
                raise ValueError(type(content).__name__)
            return self.parse(content)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"expected a .npy file of {self.what} at {path}, got {_describe(content)}: choose the format "
                f"that it has ({error})"
            ) from error

    def write(self, folder: Path, image_id: str, seed: Seed) -> None:
        content: Any = self.pack(seed)
        with atomic_write(self._file(folder, image_id)) as temporary, temporary.open("wb") as stream:
            np.save(stream, content, allow_pickle=True)

    @abc.abstractmethod
    def parse(self, content: dict[Any, Any]) -> RawSeed: ...

    @abc.abstractmethod
    def pack(self, seed: Seed) -> dict[Any, Any]: ...


class _Irn(_Pickled):
    """IRN, AdvCAM, ReCAM, RIB, LPCAM, W-OoD, CLIMS, BAS: stride-4 maps beside full ones."""

    what = "a dict with keys, cam and high_res (IRN)"
    full = "high_res"
    first = 0  # of the keys

    def parse(self, content: dict[Any, Any]) -> RawSeed:
        keys = _integers(content["keys"])[self.first :]
        full = next((_maps(content[name]) for name in (self.full, "rw") if name in content), None)
        cam = _maps(content["cam"]) if "cam" in content else None
        maps = full if full is not None else cam
        if maps is None:
            # Images without tags sometimes hold no map at all.
            maps = np.zeros((len(keys), 0, 0), np.float32)
        for one in (maps, cam):
            if one is not None and len(keys) != len(one):
                raise ValueError(f"{len(keys)} keys for {len(one)} maps")
        size = None if full is None or 0 in full.shape[1:] else (full.shape[1], full.shape[2])
        return RawSeed([int(key) + 1 - self.first for key in keys], maps, size, cam)

    def pack(self, seed: Seed) -> dict[Any, Any]:
        import torch

        # IRN's own programs call .cuda() on cam: a tensor.
        return {
            "keys": torch.from_numpy(seed.classes.astype(np.int64) - 1),
            "cam": torch.from_numpy(seed.maps),
            "high_res": seed.upsample(),
        }


class _Puzzle(_Irn):
    """PuzzleCAM, PNOC; after their walk the maps are in ``rw``."""

    what = "a dict with keys (background first), cam and hr_cam (PuzzleCAM)"
    full = "hr_cam"
    first = 1

    def parse(self, content: dict[Any, Any]) -> RawSeed:
        keys = _integers(content["keys"])
        if len(keys) == 0 or keys[0] != 0:
            raise ValueError(f"keys {keys[:3]} without background")
        return super().parse(content)

    def pack(self, seed: Seed) -> dict[Any, Any]:
        import torch

        return {
            "keys": np.array([0, *seed.classes.tolist()], np.int64),
            "cam": torch.from_numpy(seed.maps),
            "hr_cam": seed.upsample(),
        }


class _Psa(_Pickled):
    """PSA, SEAM, MCTformer, WeakTr, ACR: a full map for each class."""

    what = "a dict {class counted from 0: (H, W) map} (PSA)"

    def parse(self, content: dict[Any, Any]) -> RawSeed:
        keys = sorted(_integers(list(content)))
        maps = _maps([np.asarray(content[key], np.float32) for key in keys])
        return RawSeed([key + 1 for key in keys], maps, (maps.shape[1], maps.shape[2]) if keys else None)

    def pack(self, seed: Seed) -> dict[Any, Any]:
        return {int(label) - 1: one for label, one in zip(seed.classes, seed.upsample(), strict=True)}


class _ClipEs(_Irn):
    """CLIP-ES: full maps alone."""

    what = "a dict with keys and attn_highres (CLIP-ES)"
    full = "attn_highres"

    def pack(self, seed: Seed) -> dict[Any, Any]:
        return {"keys": seed.classes.astype(np.int64) - 1, "attn_highres": seed.upsample()}


class _L2g(SeedFormat):
    """L2G, OAA: one 8-bit PNG for each image and class, ``ID_CLASS.png``, classes counted from 0."""

    def ids(self, folder: Path) -> list[str]:
        names = (file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*_*.png"))
        return sorted({name.rpartition("_")[0] for name in names if name.rpartition("_")[2].isdecimal()})

    def read(self, folder: Path, image_id: str) -> RawSeed:
        # To ask for each number is faster than to list a folder of 15,000 files for each image.
        files = {number: folder / f"{image_id}_{number}.png" for number in range(_MOST_CLASSES)}
        keys = [number for number, file in files.items() if file.is_file()]
        try:
            maps = _maps([_read_gray(files[key]) for key in keys])
        except ValueError as error:
            raise DataError(
                f"expected PNGs of one size for {image_id} in {folder}, got: {error}: replace them"
            ) from error
        return RawSeed([key + 1 for key in keys], maps, (maps.shape[1], maps.shape[2]) if keys else None)

    def write(self, folder: Path, image_id: str, seed: Seed) -> None:
        for label, one in zip(seed.classes, seed.upsample(), strict=True):
            with atomic_write(folder / f"{image_id}_{int(label) - 1}.png") as temporary:
                Image.fromarray(np.round(one * 255).astype(np.uint8)).save(temporary, format="PNG")


class _Npz(_OneFile):
    """``classes`` (from 1), ``maps`` at stride 4 with ``size``, or full maps: ours, without a manifest."""

    suffix = ".npz"

    def read(self, folder: Path, image_id: str) -> RawSeed:
        path = self._file(folder, image_id)
        try:
            with open_arrays(path) as data:
                maps = _maps(data["maps"])
                size = tuple(_integers(data["size"])) if "size" in data else maps.shape[1:]
                return RawSeed(_integers(data["classes"]), maps, (size[0], size[1]))
        # zipfile and numpy raise a dozen kinds of errors on damaged files.
        except Exception as error:
            raise DataError(
                f"expected an npz with classes and maps at {path}, got: {error}: replace the file"
            ) from error

    def write(self, folder: Path, image_id: str, seed: Seed) -> None:
        with atomic_write(self._file(folder, image_id)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream, classes=seed.classes, maps=seed.maps, size=np.array(seed.size, np.int32)
            )


SEEDS: Mapping[str, SeedFormat] = {
    "irn": _Irn(),
    "puzzle": _Puzzle(),
    "psa": _Psa(),
    "clip-es": _ClipEs(),
    "l2g": _L2g(),
    "npz": _Npz(),
}


def fit_seed(raw: RawSeed, size: tuple[int, int], where: str) -> Seed:
    """Bring the maps of a foreign file to ours: stride 4, in [0, 1].

    Full maps become those maps at stride 4 whose bilinear upsampling is closest to them (least squares), so
    that exported seeds come back as they were.

    Args:
        raw: what the file holds.
        size: (H, W) of the image.
        where: image id or file, for messages.

    Raises:
        DataError: the maps are of another size, outside [0, 1] or not numbers.
    """
    if any(not 1 <= label <= _MOST_CLASSES for label in raw.classes) or len(raw.classes) != len(raw.maps):
        raise DataError(
            f"expected classes 1..{_MOST_CLASSES}, each with a map, for {where}, got {raw.classes} for "
            f"{len(raw.maps)} maps: choose the format that it has"
        )
    grid = grid_of(size)
    maps = raw.maps
    if len(raw.classes) == 0:
        maps = np.zeros((0, *grid), np.float32)
    elif maps.shape[1:] != grid:
        if maps.shape[1:] != size:
            raise DataError(
                f"expected maps of size {size} or {grid} for {where}, got {maps.shape[1:]}: "
                "they are another image's, or of another stride"
            )
        maps = fit_to_grid(maps)
    if raw.maps.size and not (raw.maps.min() >= -_SLACK and raw.maps.max() <= 1 + _SLACK):
        raise DataError(
            f"expected maps in [0, 1] for {where}, got {raw.maps.min():.3g} to {raw.maps.max():.3g}: "
            "divide each by its maximum"
        )
    return Seed(np.array(raw.classes, np.uint8), np.clip(maps, 0, 1).astype(np.float32), size)


def _maps(value: Any) -> NDArray[np.float32]:
    """Maps (K, h, w) out of a tensor, an array or a list of equal arrays."""
    maps: NDArray[np.float32] = np.asarray(
        value.detach().cpu() if hasattr(value, "detach") else value, np.float32
    )
    if maps.size == 0:
        return np.zeros((0, *maps.shape[-2:]) if maps.ndim >= 2 else (0, 0, 0), np.float32)
    if maps.ndim != 3:
        raise ValueError(f"maps of shape {maps.shape}")
    return maps


def _integers(value: Any) -> list[int]:
    numbers = np.atleast_1d(np.asarray(value))
    if numbers.size == 0:
        return []
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise ValueError(f"class numbers of type {numbers.dtype} and shape {numbers.shape}")
    return [int(one) for one in numbers]


def _read_gray(path: Path) -> NDArray[np.float32]:
    try:
        with open_picture(path) as image:
            if image.mode != "L":
                raise ValueError(f"mode {image.mode}")
            return np.asarray(image, np.float32) / np.float32(255)
    except UNREADABLE as error:
        raise DataError(f"expected an 8-bit gray PNG at {path}, got: {error}: replace the file") from error


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dict with {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return type(content).__name__
