"""Training that stops at any iteration and goes on as if it had not: each draw depends on its place alone."""

import itertools
from collections.abc import Iterator, Sequence, Sized
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS, LOOPS
from mmengine.runner.loops import IterBasedTrainLoop, _InfiniteDataloaderIterator
from torch.utils.data import Sampler

from wsss.draws import seed_of


@DATA_SAMPLERS.register_module()
class PlacedSampler(Sampler[tuple[int, int]]):
    """Endless shuffled passes over a data set that can start at any place.

    It gives ``(index, seed)``: `segment.dataset.ProjectDataset` draws its augmentation from that seed. Of
    several processes each takes every n-th draw, so that together they draw what one process would.

    Attributes:
        start: number of draws of this process to leave out.
    """

    def __init__(self, dataset: Sized, *, seed: int | None = None, shuffle: bool = True) -> None:
        """Keep the settings.

        Args:
            dataset: what is drawn from.
            seed: of shuffling and augmentation; None: random, the same in all processes.
            shuffle: False: the order of the data set.
        """
        self.size = len(dataset)
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.rank, self.processes = get_dist_info()
        self.start = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give the draws from ``start`` on, without an end."""
        epoch, order = -1, np.arange(self.size)
        for place in itertools.count(self.start * self.processes + self.rank, self.processes):
            if self.shuffle and place // self.size != epoch:
                epoch = place // self.size
                order = np.random.default_rng([self.seed, epoch]).permutation(self.size)
            yield int(order[place % self.size]), seed_of(self.seed, place)

    def __len__(self) -> int:
        """Length of one pass."""
        return self.size


@LOOPS.register_module()
class PlacedTrainLoop(IterBasedTrainLoop):
    """mmengine's loop over iterations, in which a resumed training loads no image twice.

    The network's own draws (dropout) come from the seed, the iteration and the process.
    """

    def run(self) -> Any:
        """Train from the iteration that the Runner resumed at."""
        sampler = self.dataloader.sampler
        if self._iter > 0 and isinstance(sampler, PlacedSampler):
            sampler.start = self._iter * self.dataloader.batch_size
            # The base class loads and drops one batch for each iteration trained before; it gets empty ones.
            self.dataloader_iterator = itertools.chain(
                itertools.repeat(None, self._iter), _InfiniteDataloaderIterator(self.dataloader)
            )
        return super().run()

    def run_iter(self, data_batch: Sequence[dict[str, Any]]) -> None:
        """Train on one batch."""
        torch.manual_seed(seed_of(self.runner.seed, self._iter, self.runner.rank))
        super().run_iter(data_batch)
