"""Packages of predictions for the test server of PASCAL VOC, checked before anyone uploads them."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wsss.artifacts import IGNORE, atomic_write, read_mask, voc_palette
from wsss.datasets import DataSet
from wsss.datasets.base import name_some
from wsss.errors import ArtifactError, ConfigError
from wsss.images import read_size
from wsss.limits import open_picture
from wsss.log import logger
from wsss.progress import track

# comp5: trained on VOC's own images and masks alone; comp6: on anything else as well, such as SBD.
COMPETITIONS = ("comp5", "comp6")


def write_voc_package(
    folder: Path, dataset: DataSet, image_ids: Sequence[str], *, out: Path, competition: str = "comp6"
) -> None:
    """Check predictions and pack them in the layout of the server.

    The package holds ``results/VOC2012/Segmentation/COMPETITION_test_cls/ID.png``, palette PNGs. Predictions
    with another palette or none are given VOC's.

    Args:
        folder: holds ``ID.png`` for each image; other files in it are left out.
        dataset: where the images are.
        image_ids: the images that the server asks for.
        out: the ``.tar.gz`` to write.
        competition: ``comp5`` or ``comp6``.

    Raises:
        ArtifactError: predictions are missing (``OUT.missing.txt`` lists them all), have another size than
            their image, or values other than 0..C.
        ConfigError: another competition, or another kind of file.
    """
    if competition not in COMPETITIONS:
        raise ConfigError(
            f"expected a competition out of {', '.join(COMPETITIONS)}, got {competition!r}: correct it"
        )
    if out.suffixes[-2:] != [".tar", ".gz"]:
        raise ConfigError(f"expected a name that ends in .tar.gz for the package, got {out}: correct --out")
    _refuse_missing(folder, image_ids, out)
    layout = f"results/VOC2012/Segmentation/{competition}_test_cls"
    recoloured = 0
    with atomic_write(out) as temporary:
        with tarfile.open(temporary, "w:gz") as package:
            for image_id in track(image_ids, "check and pack"):
                content, changed = _checked_png(folder / f"{image_id}.png", dataset, image_id)
                recoloured += changed
                entry = tarfile.TarInfo(f"{layout}/{image_id}.png")
                entry.size = len(content)
                package.addfile(entry, io.BytesIO(content))
        with tarfile.open(temporary) as package:
            packed = package.getnames()
        if packed != [f"{layout}/{image_id}.png" for image_id in image_ids]:
            raise ArtifactError(f"expected {len(image_ids)} files in {out}, got {len(packed)}: pack it again")
    if recoloured:
        logger.info("submit: %d files had another palette than VOC's, and have it in the package", recoloured)
    logger.info("submit: %d predictions, complete, in %s", len(image_ids), out)


def _refuse_missing(folder: Path, image_ids: Sequence[str], out: Path) -> None:
    missing = [image_id for image_id in image_ids if not (folder / f"{image_id}.png").is_file()]
    listed = out.with_name(f"{out.name}.missing.txt")
    if not missing:
        listed.unlink(missing_ok=True)
        return
    with atomic_write(listed) as temporary:
        temporary.write_text("\n".join(missing) + "\n", encoding="utf-8")
    raise ArtifactError(
        f"expected predictions of {len(image_ids)} images in {folder}, missing {name_some(missing)} "
        f"(all of them in {listed}): predict them too, the server refuses an incomplete package"
    )


def _checked_png(file: Path, dataset: DataSet, image_id: str) -> tuple[bytes, bool]:
    """Content of a prediction as a PNG with VOC's palette, and whether that had to be made."""
    size = read_size(dataset.image_file(image_id))
    mask = read_mask(file, num_classes=len(dataset.classes), size=size)
    if (mask == IGNORE).any():
        raise ArtifactError(
            f"expected a label for each pixel at {file}, got 255: the server knows no ignored pixels, "
            "predict background there"
        )
    labels = len(dataset.classes) + 1
    palette = voc_palette()
    with open_picture(file) as prediction:
        colours = np.array(prediction.getpalette("RGB") or [], np.uint8)
        if prediction.mode == "P" and np.array_equal(colours[: 3 * labels], palette[:labels].ravel()):
            return file.read_bytes(), False
    stream = io.BytesIO()
    recoloured = Image.fromarray(mask, mode="P")
    recoloured.putpalette(palette.tobytes())
    recoloured.save(stream, format="PNG")
    return stream.getvalue(), True
