"""Multi-scale inference against its definition."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seeds.infer import multi_scale_maps


class Brightness(torch.nn.Module):
    """A network whose map is the image's own red channel at stride 4; it knows no neighbours."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def maps(self, image):
        return F.avg_pool2d(image[:, :1], 4, ceil_mode=True)


@pytest.mark.parametrize("size", [(40, 64), (37, 50), (1, 1), (3, 2)])
def test_shape_for_any_size(size):
    image = np.zeros((*size, 3), np.uint8)
    maps = multi_scale_maps(Brightness(), image, scales=(1, 0.5, 2), flip=True)
    assert maps.shape == (1, (size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)


def test_flip_is_undone_and_added():
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :8] = 255
    once = multi_scale_maps(Brightness(), image, scales=(1,), flip=False)
    twice = multi_scale_maps(Brightness(), image, scales=(1,), flip=True)
    torch.testing.assert_close(twice, 2 * once)
    assert once[0, 0, 0] > once[0, 0, -1]


def test_scales_are_summed():
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    both = multi_scale_maps(Brightness(), image, scales=(1, 0.5), flip=True)
    parts = [multi_scale_maps(Brightness(), image, scales=(scale,), flip=True) for scale in (1, 0.5)]
    torch.testing.assert_close(both, parts[0] + parts[1])


def test_refuses_no_scales():
    with pytest.raises(ValueError, match=r"expected at least one scale.*infer\.scales"):
        multi_scale_maps(Brightness(), np.zeros((4, 4, 3), np.uint8), scales=(), flip=True)
