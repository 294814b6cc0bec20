"""Demo data for localisation: pictures of one or two creatures of one class, with exact boxes and masks."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from wsss.datasets.demo import SMALLEST, draw_size
from wsss.datasets.layouts import Located
from wsss.datasets.localization import LocalizationDataSet
from wsss.datasets.made import check_counts, ensure_made
from wsss.datasets.scenes import CREATURES, draw_scene
from wsss.datasets.wsol_build import MASKS, METADATA, bounding_box, write_masks, write_split
from wsss.paths import resolve_path
from wsss.progress import track

# Goes up whenever the pictures change, so that folders made by older code are made anew.
_VERSION = 1
_IMAGES = "images"
_TWO = 0.3
# Keeps the draw apart from that of the demo data for segmentation.
_STREAM = 7


class DemoBoxesDataSet(LocalizationDataSet):
    """Pictures of the demo's creatures, one class each; three in ten show two of them, each with its box."""

    def __init__(
        self,
        root: str | Path = "data/demo_boxes",
        *,
        train: int = 480,
        val: int = 120,
        side: int = 128,
        random_seed: int = 0,
        name: str = "demo_boxes",
    ) -> None:
        """Open the folder; make it first if it is not there or was made with other settings.

        Args:
            root: folder to keep the data in; relative to the project root.
            train: number of images in split ``train``; at least one for each of the six classes.
            val: number of images in split ``val``.
            side: mean length of the images' sides in pixels; they vary by an eighth to both sides.
            random_seed: of all that is drawn.
            name: name of the data set.

        Raises:
            ConfigError: a number is not whole or is out of range.
            DataError: the folder holds something else or cannot be written.
        """
        settings = {"version": _VERSION, "train": train, "val": val, "side": side, "random_seed": random_seed}
        check_counts(settings, {"train": len(CREATURES), "val": 1, "side": SMALLEST, "random_seed": 0})
        folder = resolve_path(root)
        ensure_made(folder, settings, functools.partial(_write, settings), what=f"data set {name}")
        super().__init__(folder / _IMAGES, metadata=folder / METADATA, masks=folder / MASKS, name=name)


def _write(settings: dict[str, int], folder: Path) -> None:
    (folder / _IMAGES).mkdir()
    for index, split in enumerate(("train", "val")):
        images: dict[str, Located] = {}
        for number in track(range(settings[split]), f"demo_boxes {split}"):
            # One generator for each image: the first images stay the same when there are more of them.
            rng = np.random.default_rng([settings["random_seed"], _STREAM, index, number])
            label = number % len(CREATURES) + 1
            labels = (label,) * (2 if rng.random() < _TWO else 1)
            scene = draw_scene(labels, draw_size(settings["side"], rng), rng, repeated=True)
            image_id = f"{split}_{number:05d}.jpg"
            Image.fromarray(scene.image).save(folder / _IMAGES / image_id, quality=95, subsampling=0)
            write_masks(folder, image_id, scene.mask)
            boxes = tuple(bounding_box(one) for one in scene.instances)
            height, width = scene.mask.shape
            images[image_id] = Located(label, (height, width), boxes)
        write_split(folder, split, images, CREATURES)
