"""Random draws of a training that depend on their place alone: which image in which epoch, which step.

So a training that was interrupted goes on as if it had not been, and neither the number of workers nor, but
for the network's own draws, that of processes moves it.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset


def seed_of(*numbers: int) -> int:
    """One seed in 0..2**32-1 of several numbers.

    >>> seed_of(0, 1) == seed_of(0, 1), seed_of(0, 1) == seed_of(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class PlacedDraws(Dataset[Any]):
    """A data set whose random draws for an image follow from a seed that comes with its index."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        """Wrap a map-style data set that draws from the generators of Python, NumPy or PyTorch."""
        self.dataset = dataset

    def __len__(self) -> int:
        """Number of images."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """The item of (index, seed), as `WholeBatches` gives them."""
        index, seed = place
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        # Of the CPU alone: this may be the process that trains, whose GPU draws on its own.
        torch.default_generator.manual_seed(seed)
        return self.dataset[index]


class WholeBatches(DefaultSampler):
    """A process's share of an epoch's images, cut to whole batches of all processes together.

    It gives (index, seed): the seed follows from that of the order, the epoch and the image.
    """

    def __init__(
        self, dataset: Dataset[Any], *, batch_size: int, shuffle: bool, seed: int | None = None
    ) -> None:
        """Plan an epoch.

        Args:
            dataset: has a length.
            batch_size: images per step over all processes.
            shuffle: draw a new order for each epoch.
            seed: of the order; None: drawn by the main process.
        """
        super().__init__(dataset, shuffle=shuffle, seed=seed)
        count = len(dataset)  # type: ignore[arg-type]
        if count >= batch_size:
            self.total_size = count // batch_size * batch_size
            self.num_samples = self.total_size // self.world_size

    def __iter__(self) -> Iterator[Any]:
        """Places of the epoch that was set last."""
        for index in super().__iter__():
            yield index, seed_of(self.seed, self.epoch, index)

    def indices_of(self, step: int, batch_size: int) -> Sequence[int]:
        """Indices of this process's images in one step of the epoch that was set last.

        Args:
            step: of the epoch, from 0.
            batch_size: images per step of this process.
        """
        return [index for index, _ in self][step * batch_size : (step + 1) * batch_size]


class DrawsOfStep(Hook):
    """The network's own draws, such as dropout, follow from the random seed, the step and the process."""

    priority = "VERY_HIGH"

    def __init__(self, random_seed: int) -> None:
        """Keep the seed."""
        self.random_seed = random_seed

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed all generators of PyTorch."""
        torch.manual_seed(seed_of(self.random_seed, runner.iter, runner.rank))
