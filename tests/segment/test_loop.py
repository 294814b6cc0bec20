"""Draws that depend on their place alone, and trainings that stop and go on with the same result."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

import segment.loop
import segment.transforms
from segment.dataset import ProjectDataset
from segment.loop import PlacedSampler
from segment.settings import complete_config
from segment.train import train_segmentor


def take(sampler, count):
    return list(itertools.islice(iter(sampler), count))


def test_every_pass_holds_each_item_once_in_another_order():
    draws = [index for index, _ in take(PlacedSampler(range(7), seed=1), 21)]
    passes = [draws[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1] != passes[2]
    assert draws != [index for index, _ in take(PlacedSampler(range(7), seed=2), 21)]


def test_seeds_of_draws_differ_even_of_one_image():
    draws = take(PlacedSampler(range(3), seed=1), 300)
    assert len({seed for _, seed in draws}) == 300


def test_without_shuffling_the_order_is_the_data_sets():
    assert [index for index, _ in take(PlacedSampler(range(3), seed=1, shuffle=False), 7)] == [
        0, 1, 2, 0, 1, 2, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("start", [1, 7, 10, 500])
def test_a_later_start_gives_the_same_draws(start):
    sampler = PlacedSampler(range(7), seed=1)
    whole = take(sampler, start + 9)
    sampler.start = start
    assert take(sampler, 9) == whole[start:]


def test_processes_draw_together_what_one_draws(monkeypatch):
    alone = take(PlacedSampler(range(5), seed=1), 24)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(segment.loop, "get_dist_info", lambda rank=rank: (rank, 3))
        parts.append(take(PlacedSampler(range(5), seed=1), 8))
    assert [draw for together in zip(*parts, strict=True) for draw in together] == alone


def test_a_seed_decides_the_augmentation(demo_settings):
    pipeline = [
        {"type": "ReadImage"},
        {"type": "ReadMask"},
        {"type": "RandomScale", "ratio_range": (0.75, 1.5)},
        {"type": "RandomCrop", "crop_size": (48, 48)},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PackSegInputs"},
    ]
    data = ProjectDataset(dataset=demo_settings, pipeline=pipeline)
    first = data[(2, 11)]["inputs"]
    np.random.seed(99)  # noqa: NPY002  (whatever was drawn before)
    assert torch.equal(first, data[(2, 11)]["inputs"])
    others = [data[(2, seed)]["inputs"] for seed in range(4)]
    assert not any(one.shape == first.shape and torch.equal(one, first) for one in others)


class StoppedError(Exception):
    """In place of whatever ends a process."""


def stop_after(monkeypatch, iteration):
    call_hook = Runner.call_hook

    def stop(self, name, **kwargs):
        call_hook(self, name, **kwargs)
        if name == "after_train_iter" and self.iter + 1 == iteration:
            raise StoppedError

    monkeypatch.setattr(Runner, "call_hook", stop)


@pytest.mark.parametrize(
    ("workers", "optimizer"),
    [
        pytest.param(0, {"type": "SGD", "lr": 0.03, "momentum": 0.9}, id="sgd-momentum"),
        pytest.param(1, {"type": "AdamW", "lr": 1e-3}, id="adamw-worker"),
    ],
)
def test_a_resumed_training_ends_with_the_same_weights(
    tiny_config, tmp_path, monkeypatch, caplog, workers, optimizer
):
    tiny_config.train_dataloader.num_workers = workers
    tiny_config.optim_wrapper.optimizer = optimizer
    tiny_config.train_cfg.max_iters = 7
    config = complete_config(tiny_config, num_classes=6, masks=None)
    whole = train_segmentor(config, out_dir=tmp_path / "whole")
    with monkeypatch.context() as patch:
        # Iteration 5 is trained on but not in the last checkpoint, of iteration 4.
        stop_after(patch, 5)
        with pytest.raises(StoppedError):
            train_segmentor(config, out_dir=tmp_path / "parts")
    assert [file.name for file in (tmp_path / "parts").glob("iter_*.pth")] == ["iter_4.pth"]
    loaded = []
    get = ProjectDataset.__getitem__
    monkeypatch.setattr(
        ProjectDataset, "__getitem__", lambda self, index: (loaded.append(index), get(self, index))[1]
    )
    with caplog.at_level("INFO", logger="wsss"):
        parts = train_segmentor(config, out_dir=tmp_path / "parts")
    assert "continues at step 4 of 7" in caplog.text
    if workers == 0:
        # Three batches of two, none of those trained on before.
        assert len(loaded) == 6
    for name, value in whole.state_dict().items():
        # The same operations in the same order: equal up to what threads may change in a sum.
        torch.testing.assert_close(value, parts.state_dict()[name], rtol=0, atol=1e-6, msg=name)


def test_dropout_depends_on_seed_and_iteration_alone(tiny_config, tmp_path, monkeypatch):
    tiny_config.train_cfg.max_iters = 3
    config = complete_config(tiny_config, num_classes=6, masks=None)
    states = {}
    train_step = segment.loop.IterBasedTrainLoop.run_iter

    def note(self, data_batch):
        states.setdefault(self._iter, []).append(torch.rand(1).item())
        train_step(self, data_batch)

    monkeypatch.setattr(segment.loop.IterBasedTrainLoop, "run_iter", note)
    for name in ("first", "second"):
        torch.rand(len(name))
        train_segmentor(config, out_dir=tmp_path / name)
    assert all(first == second for first, second in states.values())
    assert len({first for first, _ in states.values()}) == 3
