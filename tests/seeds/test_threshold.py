"""Thresholds without ground truth, worked by hand on a network of one pixel-wise layer."""

import numpy as np
import pytest
import torch
from PIL import Image

from seeds.cam import CAMNet
from seeds.methods import check_settings
from seeds.model import BASNet
from seeds.threshold import NO_EVIDENCE, image_specific_thresholds, lowest_point, threshold_of_tags
from wsss.artifacts import write_seed
from wsss.cli.stages import load_config
from wsss.errors import ConfigError
from wsss.images import ImageFile, normalize_image
from wsss.thresholds import BY_TAGS, TAGS


class Evidence:
    """Features are the image's first two channels, and so are the class maps."""

    def extract(self, image):
        return image[:, :2]

    def classify(self, features):
        return features


def search(evidence, maps, labels=(1,), **options):
    image = torch.zeros(1, 3, 1, len(evidence))
    image[0, 0, 0] = torch.tensor(evidence)
    return image_specific_thresholds(
        Evidence(), image, torch.tensor(maps)[:, None], labels, **{"fallback": 0.33} | options
    ).tolist()


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        # Masks at .1, .4, .7 hold 4, 2, 1 of 4 pixels.
        # L_bas: 0, 0, 1/2; areas 1, 1/2, 1/4; sums 1, .5, .75.
        pytest.param([1.0, 1.0, 0.0, 0.0], 0.4, id="two-pixels-carry-it"),
        # L_bas: 0, 0, 0; sums 1, .5, .25.
        pytest.param([1.0, 0.0, 0.0, 0.0], 0.7, id="one-pixel-carries-it"),
        # L_bas: 0, 2/3, 2/3; sums 1, 7/6, 11/12.
        pytest.param([1.0, 0.0, 1.0, 1.0], 0.7, id="more-outside-than-it-costs"),
        pytest.param([-1.0, 0.0, 0.0, 0.0], 0.33, id="no-evidence-at-all"),
    ],
)
def test_smallest_sum_of_loss_and_area(evidence, expected):
    assert search(evidence, [[1.0, 0.5, 0.2, 0.2]], grid=(0.1, 0.4, 0.7)) == [pytest.approx(expected)]


def test_each_map_has_its_own_class():
    found = search([1.0, 0.0, 0.0, 0.0], [[1.0, 0.5, 0.2, 0.2]] * 2, labels=(1, 2), grid=(0.1, 0.4, 0.7))
    assert found == [pytest.approx(0.7), pytest.approx(0.33)]


def test_maps_and_labels_must_agree():
    with pytest.raises(ValueError, match="a label for each of 1 maps, got 2"):
        search([1.0], [[1.0]], labels=(1, 2))


@pytest.mark.parametrize("build", [BASNet, CAMNet])
def test_networks_offer_what_it_needs(build):
    torch.manual_seed(0)
    network = build("plain8", num_classes=3).eval()
    image = torch.randn(1, 3, 40, 56)
    whole = network.classify(network.extract(image)).mean(dim=(2, 3))
    expected = network(image) if build is BASNet else network(image).mean(dim=(2, 3))
    torch.testing.assert_close(whole, expected)
    found = image_specific_thresholds(network, image, torch.rand(2, 10, 14), (1, 3), fallback=0.33)
    assert found.shape == (2,)
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.44, 0.04, 0.64, 3.24], 1.2),  # (x - 1.2)^2
        ([0.0, 1.0, 2.0, 3.0], 0.0),
        ([3.0, 2.0, 1.0, 0.0], 3.0),
        ([2.0, 1.0, 1.0, 2.0], 1.5),
    ],
)
def test_the_lowest_point_between_samples(values, expected):
    assert lowest_point([0.0, 1.0, 2.0, 3.0], values) == pytest.approx(expected)


class Images:
    """One image for each seed: where evidence lies is drawn in its red channel."""

    def __init__(self, folder, evidence):
        self.folder = folder
        for name, row in evidence.items():
            pixels = np.zeros((4, 4 * len(row), 3), np.uint8)
            pixels[..., 0] = np.repeat(np.array(row, np.uint8), 4)
            Image.fromarray(pixels).save(folder / f"{name}.png")

    def image_file(self, image_id):
        return ImageFile(self.folder / f"{image_id}.png")


class Red(torch.nn.Module):
    """The features are the red of each cell, and the only class is as red as they are."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def extract(self, image):
        # Black is 0 in it.
        red = image[:, :1] - normalize_image(np.zeros((1, 1, 3), np.uint8))[0]
        return torch.nn.functional.avg_pool2d(red, 4)

    def classify(self, features):
        return features * self.scale


def test_one_threshold_for_all_images_from_their_tags(tmp_path):
    """Evidence in the cells above .6 alone: L_bas is 0 below it, and the area is least right under it."""
    row = [200, 200, 0, 0, 0, 0, 0, 0]
    dataset = Images(tmp_path, {"a": row, "b": row})
    for name, low in (("a", 0.2), ("b", 0.5)):
        maps = np.array([[[1.0, 0.62, *[low] * 6]]])
        write_seed(tmp_path / f"{name}.npz", classes=np.array([1]), maps=maps, size=(4, 32))
    found = threshold_of_tags(Red(), dataset, ["a", "b"], folder=tmp_path, scale=1.0)
    assert 0.5 <= found.value < 0.62
    assert found.chosen_by == BY_TAGS
    assert found.chosen_by.startswith(TAGS)


def test_tags_that_the_network_does_not_see_give_the_middle(tmp_path, caplog):
    dataset = Images(tmp_path, {"a": [0, 0]})
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=np.ones((1, 1, 2)), size=(4, 8))
    found = threshold_of_tags(Red(), dataset, ["a"], folder=tmp_path, scale=1.0)
    assert found.value == NO_EVIDENCE
    assert "sees none of the tags" in caplog.text


def test_methods_without_evidence_outside_a_map_refuse_it():
    config = load_config("seeds", "bcam_plain8_demo", options=["infer.threshold=tags"])
    with pytest.raises(ConfigError, match=r"expected a number for infer\.threshold with method='bcam'"):
        check_settings(config)


def test_other_settings_refuse_the_word():
    config = load_config("seeds", "bas_plain8_demo", options=["train.learning_rate=tags"])
    with pytest.raises(ConfigError, match=r"expected train.learning_rate at least 0, got 'tags'"):
        check_settings(config)


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_threshold_that_no_map_can_have_is_refused_before_the_training(threshold):
    options = ["infer.image_specific=True", f"infer.threshold={threshold}"]
    config = load_config("seeds", "bas_plain8_demo", options=options)
    with pytest.raises(ConfigError, match=f"infer.image_specific=True, got {threshold}: "):
        check_settings(config)
