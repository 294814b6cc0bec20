"""Soft maps on the disk (docs/artifacts.md)."""

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.artifacts.masks import IGNORE
from wsss.errors import ArtifactError
from wsss.limits import open_arrays
from wsss.writing import atomic_write

# Of seeds and edges: one cell for every 4 x 4 pixels.
STRIDE = 4


@dataclasses.dataclass(frozen=True)
class Seed:
    """Soft maps of one image, one per class.

    Attributes:
        classes: (K,) uint8, labels 1..C as in masks.
        maps: (K, (H-1)//4+1, (W-1)//4+1) float32 in [0, 1].
        size: (H, W) of the image.
        thresholds: (K,) float32 in (0, 1), the image-specific threshold of each map; None where none was
            searched.
        foreground: ((H-1)//4+1, (W-1)//4+1) float32 in [0, 1], a class-agnostic map as the network gives it;
            None where there is none.
        logits: (C,) float32, the network's logits of the whole image; None where they were not asked for.
        outside: (K, (H-1)//4+1, (W-1)//4+1) float32 in [0, 1]: how far below the object's border a cell is,
            where the method draws one (``maps`` is 0 there); None where it leaves that to a threshold.
    """

    classes: NDArray[np.uint8]
    maps: NDArray[np.float32]
    size: tuple[int, int]
    thresholds: NDArray[np.float32] | None = None
    foreground: NDArray[np.float32] | None = None
    logits: NDArray[np.float32] | None = None
    outside: NDArray[np.float32] | None = None

    def calibrated(self, to: float) -> "Seed":
        """Bring every map's own threshold to one value, so that one threshold fits all maps.

        Args:
            to: in (0, 1), where the thresholds come to lie.

        Returns:
            The seed with each map m as m ** (log(to) / log(threshold)): 0 and 1 stay, the order of the
            pixels stays, and what was at the threshold is at ``to``.

        Raises:
            ArtifactError: the seed has no thresholds.
        """
        if self.thresholds is None:
            raise ArtifactError(
                "expected seeds with image-specific thresholds, got seeds without: make them with "
                "infer.image_specific=True"
            )
        powers = (np.log(to) / np.log(self.thresholds)).astype(np.float32)
        return dataclasses.replace(self, maps=self.maps ** powers[:, None, None])

    def upsample(self) -> NDArray[np.float32]:
        """Maps at the size of the image: (K, H, W) float32 in [0, 1], bilinear with align_corners=False.

        Where the method draws a border, exactly the pixels inside it are above 0.
        """
        height, width = self.size
        if len(self.maps) == 0:
            return np.zeros((0, height, width), np.float32)
        signed = self.maps if self.outside is None else self.maps - self.outside
        # cv2's INTER_LINEAR samples at pixel centres, as align_corners=False does, and is faster than torch.
        full = [cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in signed]
        return np.stack(full).clip(0)


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Size ((H-1)//4+1, (W-1)//4+1) of the stride-4 grid of an image (H, W)."""
    return ((size[0] - 1) // STRIDE + 1, (size[1] - 1) // STRIDE + 1)


def write_seed(
    path: str | Path,
    *,
    classes: NDArray[Any],
    maps: NDArray[Any],
    size: tuple[int, int],
    thresholds: NDArray[Any] | None = None,
    foreground: NDArray[Any] | None = None,
    logits: NDArray[Any] | None = None,
    outside: NDArray[Any] | None = None,
) -> None:
    """Write the soft maps of one image.

    Args:
        path: the ``ID.npz`` to write, atomically.
        classes: (K,) integer labels 1..C.
        maps: (K, (H-1)//4+1, (W-1)//4+1) float in [0, 1]; stored as float16.
        size: (H, W) of the image.
        thresholds: (K,) float in (0, 1), image-specific thresholds of the maps, where they are known.
        foreground: ((H-1)//4+1, (W-1)//4+1) float in [0, 1], a class-agnostic map; stored as float16.
        logits: (C,) float, of the whole image.
        outside: as ``maps``, for methods that draw the object's border; stored as float16.

    Raises:
        ArtifactError: shapes do not agree, or values lie outside [0, 1].

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.npz"
    ...     write_seed(path, classes=np.array([3]), maps=np.full((1, 2, 3), 0.5), size=(8, 12))
    ...     read_seed(path).upsample().shape
    (1, 8, 12)
    """
    labels = np.asarray(classes)
    if labels.size and not (labels.min() >= 0 and labels.max() <= IGNORE):
        raise ArtifactError(
            f"expected distinct classes 1..C, got {labels.tolist()} at {path}: labels are stored in 8 bits"
        )
    seed = Seed(
        labels.astype(np.uint8),
        np.asarray(maps, np.float32),
        (int(size[0]), int(size[1])),
        *(
            None if array is None else np.asarray(array, np.float32)
            for array in (thresholds, foreground, logits, outside)
        ),
    )
    _check_seed(seed, Path(path))
    arrays: dict[str, Any] = {
        "classes": seed.classes,
        "maps": seed.maps.astype(np.float16),
        "size": np.array(seed.size, np.int32),
    }
    if seed.thresholds is not None:
        arrays["thresholds"] = seed.thresholds
    if seed.foreground is not None:
        arrays["foreground"] = seed.foreground.astype(np.float16)
    if seed.logits is not None:
        arrays["logits"] = seed.logits
    if seed.outside is not None:
        arrays["outside"] = seed.outside.astype(np.float16)
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_seed(path: str | Path) -> Seed:
    """Read the soft maps of one image.

    Raises:
        ArtifactError: the file is absent, damaged, or breaks the contract.
    """
    path = Path(path)
    try:
        with open_arrays(path) as data:
            size = tuple(int(side) for side in data["size"])
            seed = Seed(
                _labels(data["classes"]),
                data["maps"].astype(np.float32),
                (size[0], size[1]),
                data["thresholds"].astype(np.float32) if "thresholds" in data else None,
                data["foreground"].astype(np.float32) if "foreground" in data else None,
                data["logits"].astype(np.float32) if "logits" in data else None,
                data["outside"].astype(np.float32) if "outside" in data else None,
            )
    except FileNotFoundError as error:
        raise ArtifactError(
            f"expected a seed at {path}, found no file: run the stage that makes it"
        ) from error
    # numpy and zipfile raise a dozen kinds of errors on damaged files.
    except Exception as error:
        raise ArtifactError(
            f"expected an npz with classes, maps and size at {path}, got: {error}: delete it and run again"
        ) from error
    _check_seed(seed, path)
    return seed


def _labels(classes: NDArray[Any]) -> NDArray[np.uint8]:
    if classes.dtype.kind not in "iu" or classes.ndim != 1 or ((classes < 0) | (classes > IGNORE)).any():
        raise ValueError(f"classes {classes.dtype} {classes.shape}")
    return classes.astype(np.uint8)


def _check_seed(seed: Seed, path: Path) -> None:
    expected = (len(seed.classes), *grid_of(seed.size))
    if seed.classes.ndim != 1 or seed.maps.shape != expected or min(seed.size) < 1:
        raise ArtifactError(
            f"expected maps (K, (H-1)//4+1, (W-1)//4+1) for K={len(seed.classes)} and size {seed.size}, "
            f"got {seed.maps.shape} at {path}: it is another image's or another stride"
        )
    if len(set(seed.classes.tolist())) != len(seed.classes) or (seed.classes == 0).any():
        raise ArtifactError(
            f"expected distinct classes 1..C, got {seed.classes.tolist()} at {path}: "
            "0 is background and has no map"
        )
    if seed.maps.size and not (seed.maps.min() >= 0 and seed.maps.max() <= 1):
        raise ArtifactError(
            f"expected maps in [0, 1], got {seed.maps.min():.3g} to {seed.maps.max():.3g} at {path}: "
            "normalize them"
        )
    below = seed.outside
    if below is not None and not (
        below.shape == expected and (not below.size or (below.min() >= 0 and below.max() <= 1))
    ):
        raise ArtifactError(
            f"expected how far cells are outside as {expected} in [0, 1], got {below.shape} at {path}: make "
            "the seeds anew"
        )
    own = seed.thresholds
    if own is not None and not (own.shape == seed.classes.shape and ((own > 0) & (own < 1)).all()):
        raise ArtifactError(
            f"expected a threshold in (0, 1) for each of {len(seed.classes)} maps, got {own.tolist()} at "
            f"{path}: make the seeds anew"
        )

    agnostic = seed.foreground
    if agnostic is not None and not (
        agnostic.shape == expected[1:] and agnostic.min() >= 0 and agnostic.max() <= 1
    ):
        raise ArtifactError(
            f"expected a foreground map {expected[1:]} in [0, 1], got {agnostic.shape} of "
            f"{agnostic.min():.3g} to {agnostic.max():.3g} at {path}: make the seeds anew"
        )
    logits = seed.logits
    if logits is not None and not (logits.ndim == 1 and np.isfinite(logits).all()):
        raise ArtifactError(
            f"expected finite logits (C,), got {logits.shape} with {(~np.isfinite(logits)).sum()} that are "
            f"not at {path}: make the seeds anew"
        )
