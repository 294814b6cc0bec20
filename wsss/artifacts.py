"""The artifact contract: what a stage publishes and how the next one reads it (docs/artifacts.md)."""

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.errors import ArtifactError
from wsss.limits import UNREADABLE, open_arrays, open_picture
from wsss.manifests import check_manifest

# In masks: pixels that are not scored and teach nothing; in masks made here, those that nobody is sure of.
IGNORE = 255
# Of seeds and edges: one cell for every 4 x 4 pixels.
STRIDE = 4
SCHEMA = 1
MANIFEST = "manifest.json"
# Weights of the backbone that a seed method trained: later stages may start from them.
BACKBONE = "train/backbone.pth"
SUFFIXES = {"seeds": ".npz", "masks": ".png", "segment": ".png"}


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


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary name in the same folder and rename it to ``path`` if the block succeeds.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise ArtifactError(
            f"expected a folder that can be written at {path.parent}, got: {error}"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise ArtifactError(
            f"expected to write {path}, got: {error}: free space or change --work-dir"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


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
    seed = Seed(
        np.asarray(classes, np.uint8),
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


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A published folder: payload files and the manifest that vouches for them.

    Attributes:
        dir: the folder.
        manifest: what stands in its manifest.
        part: name and image ids of the part that is looked at; None: all of it.
    """

    dir: Path
    manifest: Mapping[str, Any]
    part: tuple[str, tuple[str, ...]] | None = None

    @property
    def kind(self) -> str:
        """``seeds``, ``masks`` or ``segment``."""
        return str(self.manifest["kind"])

    @property
    def key(self) -> str:
        """Hash of all that the content depends on."""
        return str(self.manifest["key"])

    @property
    def split(self) -> str:
        """Split of the data set that the payload covers, or the part of it that is looked at."""
        return str(self.manifest["split"]) if self.part is None else self.part[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids of the payload, or of the part of it that is looked at."""
        return tuple(self.manifest["image_ids"]) if self.part is None else self.part[1]

    def part_in(self, split: str, image_ids: Sequence[str]) -> "Artifact":
        """The part of it that lies in another split.

        Args:
            split: name of that split.
            image_ids: its images.

        Raises:
            ArtifactError: none of them is in this artifact.
        """
        wanted = set(image_ids)
        inside = tuple(one for one in self.ids if one in wanted)
        if not inside:
            raise ArtifactError(
                f"expected images of {split} in {self.dir}, found none among its {len(self.ids)} of "
                f"{self.split}: choose another split"
            )
        return dataclasses.replace(self, part=(split, inside))

    def file(self, image_id: str) -> Path:
        """Payload file of one image."""
        folder = (
            self.dir / "predictions" / str(self.manifest["split"]) if self.kind == "segment" else self.dir
        )
        return folder / f"{image_id}{SUFFIXES[self.kind]}"

    def backbone(self) -> Path:
        """Weights of the backbone that these seeds trained.

        Raises:
            ArtifactError: they hold none: imported seeds, or a method that trains nothing.
        """
        file = self.dir / BACKBONE
        if not file.is_file():
            raise ArtifactError(
                f"expected the backbone that the stage seeds trained at {file}, found no file: run the stage "
                "seeds, or start from other weights (--weights)"
            )
        return file


def open_artifact(path: str | Path) -> Artifact:
    """Open a published folder.

    Raises:
        ArtifactError: no manifest (never published, or interrupted), a broken one, one of another
            schema or with ids that lead out of it, or a payload file that the manifest lists is gone.
    """
    path = Path(path)
    manifest_file = path / MANIFEST
    try:
        manifest = json.loads(manifest_file.read_text())
    except FileNotFoundError as error:
        raise ArtifactError(
            f"expected {MANIFEST} in {path}, found none: run the stage that publishes it"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"expected JSON in {manifest_file}, got: {error}: run the stage again") from error
    required = {"schema", "kind", "split", "image_ids", "key"}
    if not isinstance(manifest, dict) or not required <= manifest.keys():
        raise ArtifactError(
            f"expected the entries {', '.join(sorted(required))} in {manifest_file}, got "
            f"{sorted(manifest) if isinstance(manifest, dict) else type(manifest).__name__}: "
            "run the stage again"
        )
    if manifest["schema"] != SCHEMA or manifest["kind"] not in tuple(SUFFIXES):
        raise ArtifactError(
            f"expected schema {SCHEMA} and a kind out of {', '.join(SUFFIXES)} in {manifest_file}, got "
            f"schema {manifest['schema']} and kind {manifest['kind']!r}: publish it again with this version"
        )
    check_manifest(manifest, manifest_file)
    artifact = Artifact(path, manifest)
    absent = [image_id for image_id in artifact.ids if not artifact.file(image_id).is_file()]
    if absent:
        raise ArtifactError(
            f"expected {len(artifact.ids)} files in {path}, {len(absent)} are gone (first: {absent[0]}): "
            f"run the stage again with --no-resume"
        )
    return artifact


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically, indented."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
