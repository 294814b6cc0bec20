"""Training crops: image and label stay together through rescaling, flips, crops and padding."""

import numpy as np
import pytest
import torch
from PIL import Image

from refine.dataset import LabelledCrops
from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD


class OneImage:
    """A data set of one image whose red value is 10 x its label."""

    def __init__(self, folder, size):
        rng = np.random.default_rng(0)
        self.label = np.repeat(
            np.repeat(rng.integers(0, 20, (size[0] // 8, size[1] // 8)), 8, 0), 8, 1
        ).astype(np.uint8)
        self.path = folder / "one.png"
        Image.fromarray(np.stack([self.label * 10] * 3, axis=-1)).save(self.path)

    def image_path(self, image_id):
        return self.path

    image_file = image_path


def make_crops(tmp_path, size, **options):
    source = OneImage(tmp_path, size)
    settings = {"crop": 48, "rescale": (1.0, 1.0)} | options
    return LabelledCrops(source, ["one"], lambda image_id: source.label, **settings)


@pytest.mark.parametrize("size", [(96, 64), (32, 80), (16, 24), (48, 48)])
def test_labels_lie_on_their_pixels(tmp_path, size):
    crops = make_crops(tmp_path, size)
    torch.manual_seed(0)
    kinds = set()
    for _ in range(8):
        item = crops[0]
        assert item["image"].shape == (3, 48, 48)
        assert item["label"].shape == (12, 12)
        assert item["label"].dtype == torch.uint8
        red = item["image"][0, 2::4, 2::4] * IMAGENET_STD[0] + IMAGENET_MEAN[0]
        inside = item["label"] != 255
        np.testing.assert_allclose(red[inside] * 255, item["label"][inside].float() * 10, atol=1e-3)
        # Padding is the mean colour, 0 after normalization.
        assert (item["image"][:, 2::4, 2::4][:, ~inside] == 0).all()
        assert abs(inside.sum().item() - (min(size[0], 48) // 4) * (min(size[1], 48) // 4)) <= 12
        kinds.add(item["label"].numpy().tobytes())
    assert len(kinds) > 1


def test_rescaling_changes_the_size(tmp_path):
    crops = make_crops(tmp_path, (32, 32), rescale=(0.5, 0.5))
    assert (crops[0]["label"] != 255).sum() == (16 // 4) ** 2
    crops = make_crops(tmp_path, (32, 32), rescale=(1.5, 1.5))
    assert (crops[0]["label"] != 255).all()


def test_same_seed_same_crop(tmp_path):
    crops = make_crops(tmp_path, (96, 96), rescale=(0.5, 1.5))
    items = []
    for _ in range(2):
        torch.manual_seed(5)
        items.append(crops[0]["image"])
    assert torch.equal(*items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 40}, "expected a crop that is a multiple of 16 pixels, got 40: correct 'train.crop'"),
        ({"crop": 0}, "expected a crop that is a multiple of 16 pixels, got 0"),
        ({"rescale": (1.5, 0.5)}, r"expected 0 < smallest <= largest factor, got \(1.5, 0.5\)"),
        ({"rescale": (0.0, 0.5)}, "expected 0 < smallest <= largest factor"),
    ],
)
def test_settings_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        make_crops(tmp_path, (32, 32), **options)
