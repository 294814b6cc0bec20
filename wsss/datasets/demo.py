"""The demo data: made on the spot, seeded, with exact masks, in the folder layout of VOC."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.artifacts import write_mask
from wsss.datasets.made import check_counts, ensure_made
from wsss.datasets.scenes import CREATURES, draw_scene
from wsss.datasets.voc import VocDataSet
from wsss.paths import resolve_path
from wsss.progress import track

# Goes up whenever the pictures change, so that folders made by older code are made anew.
_VERSION = 3
SMALLEST = 96
_SIDE_VARIATION = 0.125
_COUNT_SHARES = (0.3, 0.4, 0.3)


class DemoDataSet(VocDataSet):
    """Pictures of six invented creatures; see ``wsss.datasets.scenes`` for what makes them hard."""

    def __init__(
        self,
        root: str | Path = "data/demo",
        *,
        train: int = 480,
        val: int = 120,
        side: int = 128,
        random_seed: int = 0,
        name: str = "demo",
    ) -> None:
        """Open the folder; make it first if it is not there or was made with other settings.

        Args:
            root: folder to keep the data in; relative to the project root.
            train: number of images in split ``train``.
            val: number of images in split ``val``.
            side: mean length of the images' sides in pixels; they vary by an eighth to both sides.
            random_seed: of all that is drawn.
            name: name of the data set.

        Raises:
            ConfigError: a number is not whole or is out of range.
            DataError: the folder holds something else or cannot be written.
        """
        settings = {"version": _VERSION, "train": train, "val": val, "side": side, "random_seed": random_seed}
        check_counts(settings, {"train": 1, "val": 1, "side": SMALLEST, "random_seed": 0})
        folder = resolve_path(root)
        ensure_made(folder, settings, functools.partial(_write_data, settings), what="demo data")
        super().__init__(folder, labels=folder / "cls_labels.npy", name=name, classes=CREATURES)


def _write_data(settings: dict[str, int], folder: Path) -> None:
    for name in ("JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    labels: dict[str, NDArray[np.float32]] = {}
    for index, split in enumerate(("train", "val")):
        tags = plan_tags(settings[split], np.random.default_rng([settings["random_seed"], index]))
        ids = [f"{split}_{number:05d}" for number in range(len(tags))]
        for number, image_id in enumerate(track(ids, f"demo {split}")):
            # One generator for each image: the first images stay the same when there are more of them.
            rng = np.random.default_rng([settings["random_seed"], index, number])
            scene = draw_scene(tags[number], draw_size(settings["side"], rng), rng)
            path = folder / "JPEGImages" / f"{image_id}.jpg"
            Image.fromarray(scene.image).save(path, quality=95, subsampling=0)
            write_mask(folder / "SegmentationClassAug" / f"{image_id}.png", scene.mask)
            labels[image_id] = np.isin(np.arange(1, len(CREATURES) + 1), tags[number]).astype(np.float32)
        (folder / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(ids) + "\n")
    rows: Any = labels
    np.save(folder / "cls_labels.npy", rows, allow_pickle=True)


def draw_size(side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw height and width of one image, each within an eighth of ``side``."""
    low, high = (round(side * (1 + sign * _SIDE_VARIATION)) for sign in (-1, 1))
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))


def plan_tags(count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw one to three labels for each image, so that all classes are about equally frequent.

    Args:
        count: number of images.
        rng: source of the draw.

    Returns:
        For each image its labels, from the back of the picture to the front.
    """
    used = np.zeros(len(CREATURES))
    plan = []
    for _ in range(count):
        number = 1 + int(rng.choice(len(_COUNT_SHARES), p=_COUNT_SHARES))
        # Rarer classes come first, but loosely, so that every combination occurs.
        chosen = np.argsort(used + rng.uniform(0, 4, len(used)))[:number]
        used[chosen] += 1
        plan.append(tuple(int(index) + 1 for index in rng.permutation(chosen)))
    return plan
