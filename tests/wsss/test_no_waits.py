"""Training steps that a GPU need not wait for: none reads a number."""

import contextlib

import pytest
import torch
from torch import nn

from refine.model import IRNet
from seeds.cam import CAMNet
from seeds.methods.bas_localization import LocalizationBAS
from seeds.methods.bcam import BCAMNet
from seeds.methods.fam import FAM
from seeds.methods.ornet import FineStage
from seeds.methods.ornet_coarse import CoarseModel
from seeds.model import BASNet


class Mean(nn.Module):
    """A classifier in place of VGG's half a gigabyte."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, image):
        return self.layer(image.mean(dim=(2, 3)))


NETWORKS = {
    "bas": lambda: BASNet("resnet18", 4, normalize_features=True),
    "bas, class-agnostic map": lambda: BASNet("resnet18", 4, True),
    "bas, two levels": lambda: BASNet("resnet18", 4, two_levels=True),
    "cam": lambda: CAMNet("resnet18", 4),
    "bas_localization": lambda: LocalizationBAS("vgg16", 4, alpha=0.5, beta=1.5, hidden=6),
    "bcam, voc": lambda: BCAMNet(4, backbone="plain8", heads=5),
    "bcam, cub": lambda: BCAMNet(4, layout="cub", backbone="plain8", heads=5),
    "fam": lambda: FAM(4, backbone="plain8"),
    "ornet, coarse": lambda: CoarseModel(4, backbone="resnet18"),
    "ornet, fine": lambda: FineStage(CoarseModel(4, backbone="resnet18"), Mean()),
    "irn": lambda: IRNet("resnet18", radius=5),
    "irn, edges": lambda: IRNet("resnet18", radius=5, displacement=False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_reads_no_number(name, monkeypatch):
    """Tensors of the device "meta" have a shape and no content, so that reading them is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # does not know "meta"
    network = NETWORKS[name]().train().to("meta")
    batch = {
        "image": torch.zeros(2, 3, 64, 64, device="meta"),
        "tags": torch.zeros(2, 4, device="meta"),
        "label": torch.zeros(2, 16, 16, dtype=torch.uint8, device="meta"),
    }
    loss = network.training_losses(batch, step=0)["loss"]
    loss.backward()
    assert loss.is_meta
    assert any(parameter.grad is not None for parameter in network.parameters())
