"""Training steps that a GPU need not wait for: none reads a number, and losses are read one step later."""

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
from wsss.errors import TrainingError
from wsss.training import Schedule, train_network


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


class Points(torch.utils.data.Dataset):
    """Twelve numbers."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return {"x": torch.tensor([float(index)])}


class Line(nn.Module):
    """Its loss is not finite at one step; it notes the steps that it was asked for."""

    def __init__(self, nan_at):
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)
        self.nan_at, self.steps = nan_at, []

    def training_losses(self, batch, *, step):
        self.steps.append(step)
        loss = self.slope(batch["x"]).square().mean()
        return {"loss": loss * float("nan") if step == self.nan_at else loss}


def train(network, out_dir):
    schedule = Schedule(
        epochs=3, batch_size=2, learning_rate=1e-4, momentum=0.0, weight_decay=0.0, num_workers=0
    )
    train_network(
        network,
        Points(),
        out_dir=out_dir,
        schedule=schedule,
        parameter_groups=[{"params": list(network.parameters())}],
        random_seed=0,
        description="line",
    )


def test_losses_are_read_one_step_later(tmp_path):
    network = Line(nan_at=1)
    with pytest.raises(TrainingError, match="at step 2 of 18"):
        train(network, tmp_path)
    assert network.steps == [0, 1, 2]


@pytest.mark.parametrize("nan_at", [11, 17])
def test_no_checkpoint_of_weights_that_are_worth_nothing(nan_at, tmp_path):
    network = Line(nan_at=nan_at)
    with pytest.raises(TrainingError, match=f"at step {nan_at + 1} of 18"):
        train(network, tmp_path)
    assert network.steps[-1] == nan_at
    epochs = sorted(int(file.stem.removeprefix("epoch_")) for file in tmp_path.glob("epoch_*.pth"))
    assert epochs[-1] == nan_at // 6
