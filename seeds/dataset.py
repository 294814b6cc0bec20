"""Training images with their tags."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from wsss.datasets import DataSet
from wsss.images import IMAGENET_MEAN, IMAGENET_STD, read_image


class TaggedImages(Dataset[dict[str, Tensor]]):
    """Images of a split, augmented: square resize, flip, random crop; each with its multi-hot tags."""

    def __init__(self, dataset: DataSet, image_ids: Sequence[str], *, resize: int, crop: int) -> None:
        """Prepare the list.

        Args:
            dataset: where images and tags are.
            image_ids: images to train on, each with at least one tag.
            resize: side of the square that an image is brought to, in pixels.
            crop: side of the random crop, in pixels, at most ``resize``.
        """
        self.dataset = dataset
        self.image_ids = tuple(image_ids)
        self.transform = v2.Compose(
            [
                v2.Resize((resize, resize), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomCrop(crop),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One image: ``image`` (3, crop, crop) float normalized, ``tags`` (C,) float multi-hot."""
        image_id = self.image_ids[index]
        image = self.transform(Image.fromarray(read_image(self.dataset.image_file(image_id))))
        tags = torch.zeros(len(self.dataset.classes))
        tags[[label - 1 for label in self.dataset.tags(image_id)]] = 1
        return {"image": image, "tags": tags}
