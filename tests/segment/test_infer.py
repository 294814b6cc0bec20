"""Predictions: the mean over scales and flips by hand and against plain passes, files, resuming."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image
from torch import nn

import segment.backbone
import segment.deeplabv2  # noqa: F401  (register)
from segment.infer import predict_probabilities, write_predictions, write_probabilities
from wsss.artifacts import read_mask, read_seed
from wsss.crf import crf_probabilities
from wsss.errors import ArtifactError
from wsss.images import read_image


class Normalizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([2.0, 4.0, 5.0]).view(3, 1, 1))


class Fake(nn.Module):
    """Logits at stride 4 that depend on place and colour, and not evenly on the left and the right."""

    def __init__(self, labels=3):
        super().__init__()
        self.data_preprocessor = Normalizer()
        self.test_cfg = Config({"mode": "whole"})
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
    seconds = write_predictions(network, demo, ids[:1], crf=False, **settings)
    assert set(seconds) == {"network"}
    written = tmp_path / "predictions" / "val" / f"{ids[0]}.png"
    image = read_image(demo.image_file(ids[0]))
    probabilities = predict_probabilities(network, image, scales=(1.0,), flip=False)
    assert np.array_equal(read_mask(written), probabilities.argmax(axis=0))
    with Image.open(written) as opened:
        assert opened.getpalette()[:6] == [0, 0, 0, 128, 0, 0]
    network.calls.clear()
    write_predictions(network, demo, ids, crf=False, **settings)
    assert len(network.calls) == len(ids) - 1
    assert write_predictions(network, demo, ids, crf=False, **settings) == {}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_crf_is_the_same_from_one_process_and_from_several(demo, tmp_path, num_workers):
    network = Fake(labels=7)
    settings = {"out_dir": tmp_path, "split": "val", "scales": (1.0,), "flip": False}
    ids = demo.ids("val")
    write_predictions(network, demo, ids, crf=False, **settings)
    # With the CRF asked for later, the second folder is filled.
    seconds = write_predictions(network, demo, ids, crf=True, num_workers=num_workers, **settings)
    assert seconds["crf"] > 0
    for image_id in ids:
        image = read_image(demo.image_file(image_id))
        probabilities = predict_probabilities(network, image, scales=(1.0,), flip=False)
        sharpened = crf_probabilities(image, probabilities).argmax(axis=0)
        assert np.array_equal(read_mask(tmp_path / "predictions_crf" / "val" / f"{image_id}.png"), sharpened)


def test_an_error_in_a_crf_process_ends_the_run(demo, tmp_path):
    (tmp_path / "predictions_crf").write_text("a file where a folder should be")
    with pytest.raises(ArtifactError, match="expected a folder that can be written"):
        write_predictions(
            Fake(labels=7), demo, demo.ids("val"), out_dir=tmp_path, split="val", scales=(1.0,), flip=False,
            crf=True, num_workers=2,
        )  # fmt: skip


def test_probabilities_are_kept_in_the_form_of_seeds(demo, tmp_path):
    network = Fake(labels=7)
    image_id = demo.ids("val")[0]
    write_predictions(
        network, demo, [image_id], out_dir=tmp_path, split="val", scales=(1.0,), flip=False, crf=False,
        probabilities=True,
    )  # fmt: skip
    kept = read_seed(tmp_path / "probabilities" / "val" / f"{image_id}.npz")
    image = read_image(demo.image_file(image_id))
    assert kept.size == image.shape[:2]
    full = predict_probabilities(network, image, scales=(1.0,), flip=False)
    label = predict_probabilities(network, image, scales=(1.0,), flip=False).argmax(axis=0)
    maps = kept.upsample()
    assert maps.sum(axis=0).max() <= 1 + 1e-2
    again = np.concatenate([1 - maps.sum(axis=0, keepdims=True), maps])
    names = np.concatenate([[0], kept.classes])
    # Stride 4 and half precision move borders, no more.
    assert (names[again.argmax(axis=0)] == label).mean() > 0.97
    assert np.abs(maps - full[kept.classes]).mean() < 0.01


def test_classes_that_are_nowhere_are_not_kept(tmp_path):
    probabilities = np.zeros((4, 9, 13), np.float32)
    probabilities[0], probabilities[1], probabilities[3] = 0.895, 0.005, 0.1
    write_probabilities(tmp_path / "a.npz", probabilities)
    kept = read_seed(tmp_path / "a.npz")
    assert kept.classes.tolist() == [3]
    assert kept.maps.shape == (1, 3, 4)
    np.testing.assert_allclose(kept.maps, 0.1, atol=1e-4)  # half precision


def build_slider(window, stride):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmseg"):
        network = MODELS.build(
            {
                "type": "DeepLabV2",
                "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [1.0] * 3, "std": [2.0] * 3},
                "backbone": {"type": "CutBackbone", "name": "plain8"},
                "decode_head": {
                    "type": "DeepLabV2Head",
                    "in_channels": 128,
                    "in_index": 4,
                    "num_classes": 3,
                    "dilations": (1,),
                },
                "test_cfg": {"mode": "slide", "crop_size": (window, window), "stride": (stride, stride)},
            }
        )
    network.init_weights()
    # As the Runner and load_network hand it over.
    network.test_cfg = Config(network.test_cfg)
    return network.eval()


def test_windows_are_predicted_alone_and_averaged():
    image = image_of(40, 56)
    network = build_slider(40, 16)
    found = predict_probabilities(network, image, scales=(1.0,), flip=False)
    tensor = (torch.from_numpy(image).permute(2, 0, 1).float()[None] - 1) / 2
    logit = torch.zeros(1, 3, 40, 56)
    times = torch.zeros(1, 1, 40, 56)
    with torch.no_grad():
        for left in (0, 16):
            part = network(tensor[..., left : left + 40], mode="tensor")
            logit[..., left : left + 40] += F.interpolate(part, (40, 40), mode="bilinear")
            times[..., left : left + 40] += 1
    np.testing.assert_allclose(found, (logit / times).softmax(1)[0], atol=1e-5)


def test_one_window_over_all_is_the_whole_image():
    image = image_of(24, 40)
    slid = build_slider(64, 43)
    found = predict_probabilities(slid, image, scales=(1.0, 0.5), flip=True)
    slid.test_cfg.mode = "whole"
    # The window's logits are resized to the scaled image first; at scale 1 that is the same.
    np.testing.assert_allclose(
        found, predict_probabilities(slid, image, scales=(1.0, 0.5), flip=True), atol=5e-3
    )
