"""Transforms of mmsegmentation's pipelines that read files as the rest of the project does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS

from wsss.datasets.base import LabelFile
from wsss.images import read_image


@TRANSFORMS.register_module()
class ReadImage(BaseTransform):
    """Reads ``image_file``, else ``img_path``, into ``img``: (H, W, 3) uint8 RGB.

    mmcv's own ``LoadImageFromFile`` gives BGR and decides itself whether the image is turned as its EXIF
    header says; an ``image_file`` knows how the masks lie.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the image and note its size."""
        image = read_image(results.get("image_file", results["img_path"]))
        return {**results, "img": image, "img_shape": image.shape[:2], "ori_shape": image.shape[:2]}


@TRANSFORMS.register_module()
class ReadMask(BaseTransform):
    """Reads ``label_file``, else ``seg_map_path``, into ``gt_seg_map``: (H, W) uint8 label indices.

    A ``label_file`` says how its values are read, as a data set may take part of the classes in it.
    mmcv's reader with its "cv2" backend gives the colours of a palette PNG instead.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the mask; its size must be the image's."""
        file = results.get("label_file") or LabelFile(
            Path(results["seg_map_path"]), results.get("num_classes")
        )
        mask = file.read(size=results.get("ori_shape"))
        fields = [*results.get("seg_fields", ()), "gt_seg_map"]
        # A copy: what Pillow hands over is read-only, and later transforms write into it.
        return {**results, "gt_seg_map": mask.copy(), "seg_fields": fields}


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resizes image and mask by a random factor of their own size.

    mmcv's ``RandomResize`` scales a fixed size instead, whatever the size of the image.
    """

    def __init__(self, ratio_range: Sequence[float] = (0.5, 1.5)) -> None:
        """Set the range.

        Args:
            ratio_range: smallest and largest factor, drawn uniformly.

        Raises:
            ValueError: not 0 < smallest <= largest.
        """
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(f"expected ratio_range with 0 < smallest <= largest, got {tuple(ratio_range)}")
        self.ratio_range = (float(low), float(high))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw a factor and resize."""
        # mmcv's transforms draw from numpy's global state, which mmengine seeds in every worker.
        ratio = float(np.random.uniform(*self.ratio_range))  # noqa: NPY002
        height, width = results["img"].shape[:2]
        size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        resized: dict[str, Any] = Resize(scale=size, keep_ratio=False)(results)
        return resized
