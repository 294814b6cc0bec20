"""One training step of BAS and CAM on each kind of backbone, on a size that no stride divides."""

import pytest
import torch

from seeds.cam import CAMNet
from seeds.model import BASNet

# Window transformer, plain transformers of two patch sizes, convolutions with layer norm.
OF_TIMM = [
    "timm:swin_tiny_patch4_window7_224",
    "timm:vit_tiny_patch16_224",
    "timm:vit_small_patch14_dinov2",
    "timm:convnext_atto",
]


@pytest.mark.parametrize("name", ["vgg16", "inception_v3", "mobilenet_v2", "resnet18", *OF_TIMM])
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


def test_a_backbone_of_another_output_stride():
    """Maps at the stride of the cut, class map at 32; `BASNet` brings the one to the grid of the other."""
    torch.manual_seed(0)
    network = BASNet("timm:pvt_v2_b0", 3, output_stride=32).train()
    batch = {"image": torch.randn(2, 3, 70, 45), "tags": torch.tensor([[1.0, 0, 0], [0, 1, 1]])}
    loss = network.training_losses(batch, step=0)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert network.eval().seed_maps(batch["image"]).shape == (2, 3, 5, 3)
    assert network.classify(network.extract(batch["image"])).shape == (2, 3, 3, 2)
    assert CAMNet("timm:pvt_v2_b0", 3, output_stride=32).seed_maps(batch["image"]).shape == (2, 3, 3, 2)


@pytest.mark.parametrize("name", OF_TIMM)
def test_one_step_of_cam(name):
    torch.manual_seed(0)
    network = CAMNet(name, 3).train()
    image, tags = torch.randn(2, 3, 70, 45), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    loss = network.training_losses({"image": image, "tags": tags}, step=0)["loss"]
    loss.backward()
    assert loss.isfinite()
    frozen = [p.grad is None for level in network.backbone.levels[:3] for p in level.parameters()]
    assert frozen
    assert all(frozen)
    assert all(p.grad is not None for level in network.backbone.levels[3:] for p in level.parameters())
    # In two steps, as it is run over scales and flips, it is the same network.
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network.classify(network.extract(image)), network(image))
    assert network.seed_maps(image).shape == (2, 3, 5, 3)
