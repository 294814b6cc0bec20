"""Training through the Runner: schedule, resuming, stopping at numbers that are none."""

import contextlib
import dataclasses
import random
import re

import numpy as np
import pytest
import torch
from torch import nn

from wsss import batches
from wsss.draws import WholeBatches
from wsss.errors import ConfigError, DataError, TrainingError
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


def train(network, out_dir, *, points=None, classes=(), **changes):
    groups = [{"params": list(network.parameters())}]
    train_network(
        network,
        points or Points(),
        out_dir=out_dir,
        classes=classes,
        schedule=dataclasses.replace(SCHEDULE, **changes),
        parameter_groups=groups,
        random_seed=0,
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


class Jittered(Points):
    """The points, drawn a little beside the line, by each of the generators that augmentations use."""

    image_ids = tuple("abcdefgh")

    def __getitem__(self, index):
        point = super().__getitem__(index)
        noise = torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002
        return point | {"y": point["y"] + noise}


class Dropping(Line):
    """A network that draws on its own in each step."""

    def training_losses(self, batch, *, step):
        terms = super().training_losses(batch, step=step)
        return terms | {"loss": terms["loss"] * torch.rand(())}


def test_an_interrupted_training_ends_with_the_same_weights_whatever_the_workers(tmp_path):
    def weights(name, *networks, **changes):
        for network in networks:
            with contextlib.suppress(KeyboardInterrupt):
                train(network, tmp_path / name, points=Jittered(), momentum=0.9, **changes)
        return (tmp_path / name / "network.pth").read_bytes()

    whole = weights("whole", Dropping())
    assert weights("resumed", Dropping(fail_at=5), Dropping()) == whole
    assert weights("twice", Dropping(fail_at=3), Dropping(fail_at=7), Dropping(), num_workers=1) == whole
    assert weights("workers", Dropping(), num_workers=2) == whole


def test_loss_that_is_no_number_names_its_images(tmp_path):
    with pytest.raises(TrainingError) as caught:
        train(Line(nan_at=0), tmp_path, points=Jittered())
    names = re.search(r"\(images (.*?)\)", str(caught.value))[1].split(", ")
    assert len(names) == 4
    assert set(names) < set("abcdefgh")


def test_loss_that_is_no_number_stops(tmp_path):
    with pytest.raises(TrainingError, match=r"expected finite losses, got loss nan.* at step 4 of 8 of line"):
        train(Line(nan_at=3), tmp_path)
    assert not (tmp_path / "network.pth").exists()


def test_losses_are_read_one_step_later(tmp_path):
    """So a GPU that computes is not waited for."""
    network = Line(nan_at=1)
    with pytest.raises(TrainingError, match="at step 2 of 16"):
        train(network, tmp_path, batch_size=2)
    assert network.steps == [0, 1, 2]


@pytest.mark.parametrize("nan_at", [7, 15])
def test_no_checkpoint_of_weights_that_are_worth_nothing(nan_at, tmp_path):
    network = Line(nan_at=nan_at)
    with pytest.raises(TrainingError, match=f"at step {nan_at + 1} of 16"):
        train(network, tmp_path, batch_size=2)
    assert network.steps[-1] == nan_at
    epochs = sorted(int(file.stem.removeprefix("epoch_")) for file in tmp_path.glob("epoch_*.pth"))
    assert epochs[-1] == nan_at // 4


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
        random_seed=0,
        description="line",
    )
    assert network.steps == [0, 1]


class Tagged(Points):
    """The points with tags: the even ones are cats, all of them are dogs, none is a cow."""

    def __getitem__(self, index):
        return super().__getitem__(index) | {"tags": torch.tensor([1.0 - index % 2, 1, 0])}


def test_loss_that_is_no_number_names_its_classes_and_causes(tmp_path):
    with pytest.raises(
        TrainingError, match=r"of line on images of cat, dog: .*learning rate.*half precision"
    ):
        train(Line(nan_at=0), tmp_path, points=Tagged(), classes=("cat", "dog", "cow"))


class Breaking(Points):
    """The third point cannot be read the second time, as a file that went away."""

    def __init__(self):
        self.reads = 0

    def __getitem__(self, index):
        self.reads += index == 3
        if self.reads == 2:
            raise DataError("expected a whole image at c: d.jpg, got: nothing: replace the file")
        return super().__getitem__(index)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_broken_image_is_one_line_from_any_worker(tmp_path, num_workers):
    with pytest.raises(DataError) as caught:
        train(Line(), tmp_path, points=Breaking(), num_workers=num_workers)
    assert str(caught.value) == "expected a whole image at c: d.jpg, got: nothing: replace the file"
    assert (tmp_path / "epoch_1.pth").is_file()


@pytest.mark.parametrize("count", [15, 16, 3])
@pytest.mark.parametrize("processes", [2, 4])
def test_each_step_sees_the_images_of_one_process(monkeypatch, count, processes):
    """The processes' shares of a step are together the batch that one process would take."""

    def epoch(rank, world_size):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda: (rank, world_size))
        sampler = WholeBatches(range(count), batch_size=8, shuffle=True, seed=0)
        indices = [index for index, _ in sampler]
        assert len(indices) == len(sampler)
        return indices

    alone = epoch(0, 1)
    assert len(alone) == (count // 8 * 8 or count)
    shares = [epoch(rank, processes) for rank in range(processes)]
    together = [index for step in zip(*shares, strict=True) for index in step]
    # Fewer images than a batch: some are seen twice, so that every process has as many.
    assert together[: len(alone)] == alone
    assert len(together) < len(alone) + processes


def test_a_batch_that_does_not_divide_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: 3)
    with pytest.raises(
        ConfigError,
        match=r"a batch that 3 processes can share, got train\.batch_size=4: set a multiple of 3, or start",
    ):
        train(Line(), tmp_path)


class Halving(Line):
    """Notes the precision it computes in."""

    def training_losses(self, batch, *, step):
        self.dtype = self.slope(batch["x"]).dtype
        return super().training_losses(batch, step=step)


def test_half_precision(tmp_path):
    network = Halving()
    # bfloat16 has 8 bits: the slope of 2 is met within a percent or two.
    assert train(network, tmp_path, amp="bf16") == pytest.approx(2.0, abs=0.06)
    assert network.dtype == torch.bfloat16
    assert network.slope.weight.dtype == torch.float32


def test_precision_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"expected None, 'bf16' or 'fp16', got 'half' as number format"):
        train(Line(), tmp_path, amp="half")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"expected a GPU for 'fp16', found none"):
            train(Line(), tmp_path, amp="fp16")


class Plain(nn.Module):
    """A slope to learn, without notes."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.slope.weight)

    def training_losses(self, batch, *, step):
        loss = (self.slope(batch["x"]) - batch["y"]).square().mean()
        return {"loss": loss}


@pytest.mark.slow
def test_compiled_step_learns_the_same(tmp_path):
    # float32 in another order
    assert train(Plain(), tmp_path / "a", compile=True) == pytest.approx(
        train(Plain(), tmp_path / "b"), abs=1e-5
    )


def test_the_schedule_names_the_optimizer(tmp_path):
    """AdamW takes steps of the rate's size, however large the gradient is: eight of .02 at most, falling."""
    weight = train(Line(), tmp_path, optimizer="adamw")
    assert 0.05 < weight < 8 * 0.02
    with pytest.raises(ConfigError, match="expected optimizer 'sgd', 'adam', 'adamw', got 'lion'"):
        train(Line(), tmp_path / "other", optimizer="lion")
