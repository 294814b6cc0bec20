"""One training step of BAS on each kind of backbone, on a size that no stride divides."""

import pytest
import torch

from seeds.model import BASNet


@pytest.mark.parametrize("name", ["vgg16", "inception_v3", "mobilenet_v2", "resnet18"])
def test_one_step(name):
    size = (70, 45)
    torch.manual_seed(0)
    network = BASNet(name, 3, True).train()
    batch = {"image": torch.randn(2, 3, *size), "tags": torch.tensor([[1.0, 0, 0], [0, 1, 1]])}
    terms = network.training_losses(batch, step=0)
    terms["loss"].backward()
    assert len(terms) == 8
    assert all(bool(value.isfinite()) for value in terms.values())
    for head in network.heads():
        assert head.weight.grad.isfinite().all()
        assert head.weight.grad.abs().max() > 0
    assert all(p.grad is not None for p in network.backbone.parameters())
    height, width = (-(-side // 16) for side in size)
    assert network.eval().seed_maps(batch["image"]).shape == (2, 4, height, width)
