"""Under automatic mixed precision: what is nearly 1 still has a gradient, and the right one."""

import pytest
import torch

from seeds.methods.fam import FAM, diversity_loss
from seeds.methods.ornet import CoarseModel
from seeds.model import BASNet

# A map of .9991, which bfloat16 and float16 round to 1, or nearly so.
LOGIT = 7.0
IMAGE, TAGS = torch.zeros(2, 3, 64, 64), torch.eye(2)


def bas():
    network = BASNet("plain8", 2, True)
    return network, [network.generator, network.foreground_generator], ["area", "foreground_area"]


def fam():
    network = FAM(2, backbone="plain8")
    return network, [network.scorer], ["sparsity"]


def ornet():
    network = CoarseModel(2, backbone="plain8", output_stride=16, channels=(4, 4, 4))
    network.losses = lambda image, _: {"mean_map": network.generator(network.extract(image))[1].mean()}
    return network, [network.generator.norm], ["mean_map"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("build", [bas, fam, ornet])
def test_a_map_that_is_nearly_full_can_shrink(build, dtype):
    network, layers, areas = build()
    logits = []

    def put(_, __, output):
        raised = output + (LOGIT - output).detach()
        raised.retain_grad()
        logits.append(raised)
        return raised

    for layer in layers:
        layer.register_forward_hook(put)
    with torch.autocast("cpu", dtype=dtype):
        terms = network.losses(IMAGE, TAGS)
    sum(terms[name] for name in areas).backward()
    assert logits[0].dtype == dtype
    assert len(logits) == len(areas)
    for logit in logits:
        # The mean over images and pixels; of BAS, over the drawn class's channel.
        slope = torch.tensor(LOGIT).sigmoid() * (1 - torch.tensor(LOGIT).sigmoid())
        # bfloat16 has 8 bits.
        assert logit.grad.float().sum().item() == pytest.approx(slope.item(), rel=0.02)


def test_parts_that_are_much_alike_have_the_gradient_of_full_precision():
    random = torch.Generator().manual_seed(0)
    alike = torch.ones(2, 5, 64) + 0.01 * torch.randn(2, 5, 64, generator=random)
    gradients = []
    for enabled in (False, True):
        parts = alike.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = diversity_loss(parts)
        loss.backward()
        gradients.append(parts.grad)
    torch.testing.assert_close(gradients[1], gradients[0])
