"""Image-specific thresholds, worked by hand on a network of one pixel-wise layer."""

import pytest
import torch

from seeds.cam import CAMNet
from seeds.model import BASNet
from seeds.threshold import image_specific_thresholds


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
