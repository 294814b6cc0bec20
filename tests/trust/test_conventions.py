"""Conventions that a program breaks without a word: each test fails where one of them is turned round."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image
from pydensecrf import densecrf
from torch import nn

from refine.dataset import LabelledCrops
from refine.model import DisplacementBranch, EdgeBranch
from seeds.cam import CAMNet
from seeds.contract import Plan
from seeds.dataset import TaggedImages
from seeds.infer import multi_scale_maps
from seeds.methods.cam import CAM
from seeds.methods.table import find_method
from wsss.artifacts import IGNORE, grid_of
from wsss.crf import crf_probabilities
from wsss.datasets import FolderDataSet
from wsss.images import IMAGENET_MEAN, IMAGENET_STD
from wsss.training import Schedule, train_network


class _Stem(nn.Module):
    """Gives back the first channel of the image, as the maps of two classes, at the image's own size."""

    def seed_maps(self, image):
        return torch.cat([image[:, :1], 1 - image[:, :1]], dim=1)


class _Corner(nn.Module):
    """Maps of 3 x 3 whatever the image is."""

    def seed_maps(self, image):
        ramp = torch.arange(9.0).view(1, 1, 3, 3) ** 2
        return ramp.expand(len(image), 1, 3, 3)


def _resize(array, size):
    """A second implementation of bilinear resizing between pixel centres."""
    return cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR)


def test_maps_are_resized_between_pixel_centres():
    image = torch.zeros(1, 3, 33, 42)
    found = multi_scale_maps(_Corner(), image, scales=(1.0,), flip=False)[0].numpy()
    expected = _resize((np.arange(9.0, dtype=np.float32) ** 2).reshape(3, 3), grid_of((33, 42)))
    # Both compute in float32.
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0])
def test_images_are_resized_between_pixel_centres(scale):
    rng = np.random.default_rng(0)
    image = rng.random((24, 32), np.float32)
    tensor = torch.from_numpy(image)[None, None].expand(1, 3, 24, 32)
    found = multi_scale_maps(_Stem(), tensor, scales=(scale,), flip=False)[0].numpy()
    scaled = _resize(image, (round(24 * scale), round(32 * scale)))
    # cv2 rounds its weights to 1/2048.
    np.testing.assert_allclose(found, _resize(scaled, (6, 8)), atol=2e-3)


def test_a_flip_is_turned_back_before_it_is_added():
    image = torch.rand(1, 3, 16, 24)
    once = multi_scale_maps(_Stem(), image, scales=(1.0,), flip=False)
    torch.testing.assert_close(multi_scale_maps(_Stem(), image, scales=(1.0,), flip=True), 2 * once)


@pytest.fixture
def halves(tmp_path):
    """An image whose left half is black and whose right half is white, of class 1 out of 2."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "tags.csv").write_text("file,tags\na.png,cat\n")
    return FolderDataSet(tmp_path, classes=["cat", "dog"])


def test_training_images_lose_the_mean_and_are_divided_by_the_deviation(halves):
    found = TaggedImages(halves, ["a"], resize=64, crop=64)[0]["image"]
    black, white = found.amin(dim=(1, 2)), found.amax(dim=(1, 2))
    mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(black, -mean / deviation)
    torch.testing.assert_close(white, (1 - mean) / deviation)


def _is_mirrored(image):
    return bool(image[0, 8, 0] > image[0, 8, -1])


def test_half_of_the_training_images_are_mirrored(halves):
    torch.manual_seed(0)
    seeds = TaggedImages(halves, ["a"], resize=64, crop=64)
    mirrored = sum(_is_mirrored(seeds[0]["image"]) for _ in range(60))
    # A fair coin leaves 15..45 of 60 once in ten thousand draws.
    assert 15 <= mirrored <= 45
    label = np.repeat(np.array([[0, 1]], np.uint8), 32, axis=1).repeat(64, axis=0)
    crops = LabelledCrops(halves, ["a"], lambda _: label, crop=64, rescale=(1.0, 1.0))
    items = [crops[0] for _ in range(60)]
    assert 15 <= sum(_is_mirrored(one["image"]) for one in items) <= 45
    # Image and label are turned together.
    assert all(_is_mirrored(one["image"]) == bool(one["label"][0, 0] == 1) for one in items)


def test_labels_are_resized_to_labels(halves):
    label = np.zeros((64, 64), np.uint8)
    label[:20], label[20:40, 30:], label[50:] = 4, 9, IGNORE
    crops = LabelledCrops(halves, ["a"], lambda _: label, crop=64, rescale=(0.5, 1.7))
    torch.manual_seed(0)
    found = set(torch.cat([crops[0]["label"].flatten() for _ in range(20)]).tolist())
    assert found == {0, 4, 9, IGNORE}


@pytest.mark.parametrize("mode", ["fixed_statistics", "fixed", "train"])
def test_batch_norm_of_cam_is_fixed_where_it_should_be(mode):
    network = CAMNet("plain8", 2, frozen_levels=0, batch_norm=mode).train()
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    assert norms
    before = [one.running_mean.clone() for one in norms]
    network(torch.rand(4, 3, 32, 32) + 3).mean().backward()
    moved = [not torch.equal(one.running_mean, old) for one, old in zip(norms, before, strict=True)]
    assert all(moved) if mode == "train" else not any(moved)
    trained = [one.weight.grad is not None for one in norms]
    assert not any(trained) if mode == "fixed" else all(trained)


def _plan(**train):
    method = CAM
    model = {"backbone": "plain8", "pretrained": None, **method.defaults["model"]}
    settings = {
        "epochs": 1,
        "batch_size": 2,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        **method.defaults["train"],
        **train,
    }
    return Plan({"model": model, "train": settings, "random_seed": 0}, ("cat", "dog"), 4)


@pytest.mark.parametrize("factor", [10.0, 1.0, 3.0])
def test_the_classifier_of_cam_has_its_multiple_of_the_rate(factor):
    training = CAM.build("", _plan(classifier_factor=factor), {})
    rest, head = training.parameter_groups
    assert [id(one) for one in head["params"]] == [id(training.network.classifier.weight)]
    assert head["lr"] == pytest.approx(0.1 * factor)
    assert "lr" not in rest
    assert id(training.network.classifier.weight) not in {id(one) for one in rest["params"]}


def test_the_multiple_of_cams_classifier_is_ten():
    assert find_method("cam").defaults["train"]["classifier_factor"] == 10.0


class _Rates(Hook):
    """Notes the rate that each step is made with."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])


class _Points(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {"x": torch.ones(1)}


class _Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Linear(1, 1)

    def training_losses(self, batch, *, step):
        return {"loss": self.slope(batch["x"]).square().mean()}


@pytest.mark.parametrize(("power", "length"), [(0.9, 1.0), (0.5, 1.0), (0.9, 2.0)])
def test_rates_fall_as_the_schedule_says(tmp_path, power, length):
    network, rates = _Line(), _Rates()
    schedule = Schedule(5, 4, 0.1, 0.0, 0.0, poly_power=power, poly_length=length, num_workers=0)
    train_network(
        network,
        _Points(),
        out_dir=tmp_path,
        schedule=schedule,
        parameter_groups=[{"params": list(network.parameters())}],
        random_seed=0,
        description="rates",
        hooks=[rates],
    )
    # mmengine counts from the first step to the last: the last one of a course of its own length has rate 0.
    expected = [0.1 * (1 - step / (10 * length - 1)) ** power for step in range(10)]
    np.testing.assert_allclose(rates.rates, expected, rtol=1e-5)


def test_the_default_of_the_schedule_is_that_of_deeplab():
    schedule = Schedule(1, 1, 0.1, 0.0, 0.0)
    assert (schedule.poly_power, schedule.poly_length) == (0.9, 1.0)


@pytest.mark.parametrize("branch", [EdgeBranch, DisplacementBranch])
def test_branches_are_enlarged_between_pixel_centres(branch):
    network = branch([8] * 5, [4, 4, 8, 16, 16])
    enlarged = [one for one in network.modules() if isinstance(one, nn.Upsample)]
    assert enlarged
    rng = np.random.default_rng(0)
    small = rng.random((5, 6), np.float32)
    for one in enlarged:
        factor = int(one.scale_factor)
        found = one(torch.from_numpy(small)[None, None])[0, 0].numpy()
        np.testing.assert_allclose(found, _resize(small, (5 * factor, 6 * factor)), atol=1e-3)


def test_the_crf_of_predictions_has_deeplabs_kernels():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (40, 32))
    scores = rng.random((3, 32, 40), np.float32) ** 2
    probabilities = scores / scores.sum(axis=0)
    field = densecrf.DenseCRF2D(40, 32, 3)
    field.setUnaryEnergy(np.ascontiguousarray(-np.log(probabilities.reshape(3, -1))))
    # Chen et al., DeepLabV2: w1 = 4, 67 pixels, 3 colour values; w2 = 3, 1 pixel; 10 iterations.
    field.addPairwiseGaussian(sxy=1, compat=3)
    field.addPairwiseBilateral(sxy=67, srgb=3, rgbim=image.copy(), compat=4)
    expected = np.array(field.inference(10)).reshape(3, 32, 40)
    np.testing.assert_allclose(crf_probabilities(image, probabilities), expected, atol=1e-5)
