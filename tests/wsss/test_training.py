"""Training through the Runner: schedule, resuming, stopping at numbers that are none."""

import pytest
import torch
from torch import nn

from wsss.errors import TrainingError
from wsss.training import Schedule, train_network


class Points(torch.utils.data.Dataset):
    """Eight points on a line through the origin."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {"x": torch.tensor([float(index)]), "y": torch.tensor([2.0 * index])}


class Line(nn.Module):
    """A slope to learn; notes the steps it was asked for, and may break at one."""

    def __init__(self, *, nan_at=None, fail_at=None):
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.slope.weight)
        self.nan_at, self.fail_at, self.steps = nan_at, fail_at, []

    def training_losses(self, batch, *, step):
        self.steps.append(step)
        if step == self.fail_at:
            raise KeyboardInterrupt
        loss = (self.slope(batch["x"]) - batch["y"]).square().mean()
        return {
            "loss": loss * float("nan") if step == self.nan_at else loss,
            "slope": self.slope.weight.detach().mean(),
        }


SCHEDULE = Schedule(epochs=4, batch_size=4, learning_rate=0.02, momentum=0.0, weight_decay=0.0, num_workers=0)


def train(network, out_dir):
    groups = [{"params": list(network.parameters())}]
    train_network(
        network,
        Points(),
        out_dir=out_dir,
        schedule=SCHEDULE,
        parameter_groups=groups,
        seed=0,
        description="line",
    )
    return network.slope.weight.item()


def test_learns_in_the_planned_steps(tmp_path):
    network = Line()
    assert train(network, tmp_path) == pytest.approx(2.0, abs=0.05)  # eight steps of gradient descent
    assert network.steps == list(range(8))
    assert (tmp_path / "network.pth").is_file()
    assert not list(tmp_path.glob("epoch_*.pth"))


def test_trained_network_is_loaded_not_trained(tmp_path):
    weight = train(Line(), tmp_path)
    network = Line()
    assert train(network, tmp_path) == weight
    assert network.steps == []


def test_interrupted_training_continues_at_the_epoch(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(Line(fail_at=5), tmp_path)
    network = Line()
    train(network, tmp_path)
    assert network.steps == [4, 5, 6, 7]


def test_loss_that_is_no_number_stops(tmp_path):
    with pytest.raises(TrainingError, match=r"expected finite losses, got loss nan.* at step 4 of 8 of line"):
        train(Line(nan_at=3), tmp_path)
    assert not (tmp_path / "network.pth").exists()


def test_fewer_images_than_a_batch(tmp_path):
    schedule = Schedule(
        epochs=2, batch_size=32, learning_rate=0.01, momentum=0.0, weight_decay=0.0, num_workers=0
    )
    network = Line()
    groups = [{"params": list(network.parameters())}]
    train_network(
        network,
        Points(),
        out_dir=tmp_path,
        schedule=schedule,
        parameter_groups=groups,
        seed=0,
        description="line",
    )
    assert network.steps == [0, 1]
