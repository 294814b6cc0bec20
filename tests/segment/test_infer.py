"""Predictions: the mean over scales and flips by hand and against plain passes, files, resuming."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segment.infer import predict_probabilities, write_predictions
from wsss.artifacts import read_mask
from wsss.crf import crf_probabilities
from wsss.images import read_image


class Normaliser(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([2.0, 4.0, 5.0]).view(3, 1, 1))


class Fake(nn.Module):
    """Logits at stride 4 that depend on place and colour, and not evenly on the left and the right."""

    def __init__(self, labels=3):
        super().__init__()
        self.data_preprocessor = Normaliser()
        generator = torch.Generator().manual_seed(0)
        # Small, so that the softmax is not at its ends, where any average would do.
        self.weight = 0.02 * torch.randn(labels, 3, 3, 3, generator=generator)
        self.calls = []

    def forward(self, image, mode):
        assert mode == "tensor"
        self.calls.append(tuple(image.shape))
        return F.conv2d(image, self.weight, stride=4, padding=1)


def image_of(height, width):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_one_scale_without_flip_is_a_plain_pass():
    network, image = Fake(), image_of(21, 30)
    scaled = (image.astype(np.float32) - [10, 20, 30]) / [2, 4, 5]
    batch = torch.from_numpy(scaled.astype(np.float32)).permute(2, 0, 1)[None]
    logit = F.interpolate(network(batch, "tensor"), (21, 30), mode="bilinear", align_corners=False)
    probabilities = predict_probabilities(network, image, scales=(1.0,), flip=False)
    np.testing.assert_allclose(probabilities, logit.softmax(1)[0], atol=1e-5)


def test_scales_and_flips_are_averaged_after_the_softmax():
    network, image = Fake(), image_of(24, 32)
    together = predict_probabilities(network, image, scales=(0.5, 1.5), flip=True)
    # The flip of an image is flipped back; each scale counts the same.
    alone = [
        predict_probabilities(network, one, scales=(scale,), flip=False)[:, :, ::step]
        for scale in (0.5, 1.5)
        for one, step in ((image, 1), (image[:, ::-1].copy(), -1))
    ]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=0), 1, atol=1e-5)
    assert together.shape == (3, 24, 32)


def test_scales_are_of_the_images_own_size():
    network = Fake()
    predict_probabilities(network, image_of(21, 30), scales=(0.5, 2.0), flip=True)
    assert network.calls == [(2, 3, 10, 15), (2, 3, 42, 60)]


def test_no_scale_is_refused():
    with pytest.raises(ValueError, match=r"expected at least one scale, got none: correct 'infer\.scales'"):
        predict_probabilities(Fake(), image_of(8, 8), scales=(), flip=True)


def test_predictions_are_written_and_not_repeated(demo, tmp_path):
    network = Fake(labels=7)
    settings = {"out_dir": tmp_path, "split": "val", "scales": (1.0,), "flip": False}
    ids = demo.ids("val")
    write_predictions(network, demo, ids[:1], crf=False, **settings)
    written = tmp_path / "predictions" / "val" / f"{ids[0]}.png"
    image = read_image(demo.image_path(ids[0]))
    probabilities = predict_probabilities(network, image, scales=(1.0,), flip=False)
    assert np.array_equal(read_mask(written), probabilities.argmax(axis=0))
    network.calls.clear()
    write_predictions(network, demo, ids, crf=False, **settings)
    assert len(network.calls) == len(ids) - 1
    # With the CRF asked for later, the second folder is filled.
    write_predictions(network, demo, ids, crf=True, **settings)
    sharpened = crf_probabilities(image, probabilities).argmax(axis=0)
    assert np.array_equal(read_mask(tmp_path / "predictions_crf" / "val" / written.name), sharpened)
