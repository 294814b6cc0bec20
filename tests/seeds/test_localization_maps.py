"""Maps of BAS for localisation, worked by hand and against the plain convolution."""

import pytest
import torch
from torch import nn

from seeds.localization_maps import evaluating, map_of_class, mean_map_of_best, normalize_maps


def test_map_of_class_equals_the_channel_of_all_maps():
    torch.manual_seed(0)
    generator = nn.Conv2d(6, 9, 3, padding=1)
    features = torch.randn(4, 6, 5, 7, requires_grad=True)
    label = torch.tensor([8, 0, 3, 3])
    plain = generator(features)[torch.arange(4), label].unsqueeze(1).sigmoid()
    ours = map_of_class(features, generator, label)
    torch.testing.assert_close(ours, plain)
    inputs = (features, generator.weight, generator.bias)
    weights = torch.randn(4, 1, 5, 7)
    expected = torch.autograd.grad((plain * weights).sum(), inputs)
    for gradient, other in zip(torch.autograd.grad((ours * weights).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(gradient, other)


def test_mean_map_of_best_by_hand():
    # One image of 1 x 2 cells, classes with logits 1, 3, 2: the best are 1, then 2, then 0.
    maps = torch.tensor([[[[0.0, 0.3]], [[0.6, 0.0]], [[0.2, 0.6]]]])
    logit = torch.tensor([[1.0, 3.0, 2.0]])
    assert mean_map_of_best(maps, logit, top_k=1).flatten().tolist() == pytest.approx([0.6, 0.0])
    assert mean_map_of_best(maps, logit, top_k=2).flatten().tolist() == pytest.approx([0.4, 0.3])
    assert mean_map_of_best(maps, logit, top_k=3).shape == (1, 1, 1, 2)
    assert mean_map_of_best(maps, logit, top_k=3).flatten().tolist() == pytest.approx([0.8 / 3, 0.3])
    with pytest.raises(ValueError, match="expected top_k 1 to 3, got 0"):
        mean_map_of_best(maps, logit, top_k=0)


def test_mean_map_of_best_takes_each_image_s_own_classes():
    maps = torch.tensor([[0.1, 0.2], [0.3, 0.4]])[:, :, None, None]
    logit = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert mean_map_of_best(maps, logit, top_k=1).flatten().tolist() == pytest.approx([0.2, 0.3])


def test_normalize_maps_by_hand():
    maps = torch.tensor([[0.2, 0.4, 0.6], [0.5, 0.5, 0.5]])[:, None, None]
    exact = normalize_maps(maps, epsilon=0.0)
    assert exact[0].flatten().tolist() == pytest.approx([0, 0.5, 1])
    assert exact[1].flatten().tolist() == [0, 0, 0]
    with_epsilon = normalize_maps(maps, epsilon=0.1)
    assert with_epsilon[0].flatten().tolist() == pytest.approx([0, 0.4, 0.8])
    assert with_epsilon[1].flatten().tolist() == [0, 0, 0]


def test_evaluating_gives_each_module_its_mode_back():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2).eval())
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [network.training, network[0].training, network[1].training] == [True, True, False]
