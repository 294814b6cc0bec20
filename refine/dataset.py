"""Training crops for IRNet: images with their confident labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from wsss.artifacts import IGNORE, STRIDE
from wsss.datasets import DataSet
from wsss.errors import ConfigError
from wsss.images import normalize_image, read_image


def check_crops(crop: int, rescale: tuple[float, ...]) -> None:
    """Refuse crops that IRNet cannot take.

    Args:
        crop: side in pixels.
        rescale: smallest and largest random factor on the image's sides.

    Raises:
        ConfigError: the side is no multiple of 16, or the factors are not two in ascending order.
    """
    if crop < 16 or crop % 16:
        raise ConfigError(
            f"expected a crop that is a multiple of 16 pixels, got {crop}: correct 'train.crop'"
        )
    if len(rescale) != 2 or not 0 < rescale[0] <= rescale[1]:
        raise ConfigError(f"expected 0 < smallest <= largest factor, got {rescale}: correct 'train.rescale'")


class LabelledCrops(Dataset[dict[str, Tensor]]):
    """Images and confident labels, rescaled, flipped and cropped at random."""

    def __init__(
        self,
        dataset: DataSet,
        image_ids: Sequence[str],
        read_label: Callable[[str], NDArray[np.uint8]],
        *,
        crop: int,
        rescale: tuple[float, float],
    ) -> None:
        """Prepare the list.

        Args:
            dataset: where the images are.
            image_ids: images to train on.
            read_label: gives the confident label (H, W) uint8 of an image id.
            crop: side of the crop in pixels, a multiple of 16. Smaller images are padded, their labels with
                255.
            rescale: smallest and largest random factor on the image's sides.

        Raises:
            ConfigError: crop or rescale out of range.
        """
        check_crops(crop, rescale)
        self.dataset = dataset
        self.image_ids = tuple(image_ids)
        self.read_label = read_label
        self.crop = crop
        self.rescale = rescale

    def __len__(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One crop: ``image`` (3, crop, crop) float normalized, ``label`` (crop/4, crop/4) uint8."""
        image_id = self.image_ids[index]
        image = read_image(self.dataset.image_file(image_id))
        label = self.read_label(image_id)
        # Torch's generator, because the Runner seeds it in every worker.
        factor, turn, down, right = torch.rand(4).tolist()
        image, label = _rescaled(image, label, self.rescale[0] + factor * (self.rescale[1] - self.rescale[0]))
        if turn < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        rows, rows_of_crop = _window(image.shape[0], self.crop, down)
        columns, columns_of_crop = _window(image.shape[1], self.crop, right)
        crop = torch.zeros(3, self.crop, self.crop)
        crop[:, rows_of_crop, columns_of_crop] = normalize_image(image[rows, columns])
        label_of_crop = torch.full((self.crop, self.crop), IGNORE, dtype=torch.uint8)
        label_of_crop[rows_of_crop, columns_of_crop] = torch.from_numpy(label[rows, columns].copy())
        # A 4x4 cell gets the label of one of its pixels, in row 2 and column 2 counted from 0: labels have no
        # mean, and the cell's centre lies between four pixels.
        return {
            "image": crop,
            "label": label_of_crop[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].contiguous(),
        }


def _rescaled(
    image: NDArray[np.uint8], label: NDArray[np.uint8], factor: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, size, interpolation=smooth)
    return resized.astype(np.uint8), cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(
        np.uint8
    )


def _window(side: int, crop: int, position: float) -> tuple[slice, slice]:
    """Slices of the image and of the crop along an axis; ``position`` in [0, 1) moves the longer one."""
    length = min(side, crop)
    start = int(position * (abs(side - crop) + 1))
    inside, whole = slice(start, start + length), slice(0, length)
    return (inside, whole) if side >= crop else (whole, inside)
