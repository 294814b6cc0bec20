"""Fusing with the foreground map and combining methods, by hand-worked values."""

import numpy as np
import pytest
import torch

from seeds.fuse import combine, fuse_foreground, normalize
from wsss.errors import ConfigError

CLASS_MAPS = np.array([[[0.8, 0.2], [0.5, 1.0]]])
FOREGROUND = np.array([[0.4, 0.6], [0.5, 0.0]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [("replace", [[[0.4, 0.2], [0.5, 0.0]]]), ("average", [[[0.6, 0.2], [0.5, 0.5]]])],
)
def test_only_what_is_above_the_foreground_map_changes(how, expected):
    np.testing.assert_allclose(fuse_foreground(CLASS_MAPS, FOREGROUND, how=how), expected)
    tensor = fuse_foreground(torch.from_numpy(CLASS_MAPS), torch.from_numpy(FOREGROUND), how=how)
    np.testing.assert_allclose(tensor.numpy(), expected)


def test_average_is_the_default():
    np.testing.assert_array_equal(
        fuse_foreground(CLASS_MAPS, FOREGROUND), fuse_foreground(CLASS_MAPS, FOREGROUND, how="average")
    )


def test_refuses_what_it_cannot_fuse():
    with pytest.raises(ConfigError, match="expected 'average' or 'replace', got 'sum'"):
        fuse_foreground(CLASS_MAPS, FOREGROUND, how="sum")
    with pytest.raises(ValueError, match=r"got \(1, 2, 2\) and \(2, 3\)"):
        fuse_foreground(CLASS_MAPS, np.zeros((2, 3)))


def test_combined_seeds_weigh_each_method_alike():
    first = np.array([[[4.0, 0.0], [2.0, 0.0]]])
    second = np.array([[[0.0, 0.1], [0.05, 0.0]]])
    # Normalized: [1 0; .5 0] + [0 1; .5 0] = [1 1; 1 0].
    np.testing.assert_allclose(combine([first, second]), [[[1, 1], [1, 0]]], atol=1e-3)
    np.testing.assert_allclose(combine([first]), [[[1, 0], [0.5, 0]]], atol=1e-4)


def test_combining_nothing_or_different_shapes_is_refused():
    with pytest.raises(ValueError, match="got none"):
        combine([])
    with pytest.raises(ValueError, match="of one shape"):
        combine([np.zeros((1, 2, 2)), np.zeros((2, 2, 2))])


def test_normalize_keeps_an_empty_map_and_no_maps():
    assert normalize(np.zeros((1, 3, 3))).max() == 0
    assert normalize(np.zeros((0, 3, 3))).shape == (0, 3, 3)
