"""The dense CRF of predictions, in processes of their own while the network goes on."""

import collections
import contextlib
import dataclasses
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Processes start anew and import this module: it stays free of torch, which takes seconds to import.
from wsss.artifacts import write_mask
from wsss.crf import crf_probabilities
from wsss.processes import available_cores


@dataclasses.dataclass
class CrfWriter:
    """Sharpens predictions and writes them.

    Attributes:
        pool: processes; None: it works in this one.
        waiting: at most this many images wait, as each holds its probabilities.
        seconds: spent in the CRF so far, summed over the processes.
        images: number of images written so far.
    """

    pool: ProcessPoolExecutor | None
    waiting: int
    seconds: float = 0.0
    images: int = 0
    _futures: collections.deque[Future[float]] = dataclasses.field(default_factory=collections.deque)

    def write(self, path: Path, image: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> None:
        """Write the labels of one image after the CRF, now or soon.

        Args:
            path: palette PNG to write.
            image: (H, W, 3) uint8 RGB.
            probabilities: (C+1, H, W) float32 in [0, 1].
        """
        if self.pool is None:
            self._count(write_sharpened(path, image, probabilities))
            return
        if len(self._futures) >= self.waiting:
            self._count(self._futures.popleft().result())
        self._futures.append(self.pool.submit(write_sharpened, path, image, probabilities))

    def finish(self) -> None:
        """Wait for the images that are not written yet."""
        while self._futures:
            self._count(self._futures.popleft().result())

    def _count(self, seconds: float) -> None:
        self.seconds += seconds
        self.images += 1


@contextlib.contextmanager
def open_crf_writer(num_workers: int) -> Iterator[CrfWriter]:
    """A `CrfWriter`; all is written when the block ends.

    Args:
        num_workers: processes; 0 for one per CPU core this process may use, 1 for this process alone.
    """
    workers = num_workers or available_cores()
    if workers <= 1:
        yield CrfWriter(None, 0)
        return
    # A fork would take over the network's threads and its GPU.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        writer = CrfWriter(pool, 2 * workers)
        try:
            yield writer
            writer.finish()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def write_sharpened(path: Path, image: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> float:
    """Write the labels of one image after the CRF as a palette PNG; gives the seconds that it took."""
    begin = time.monotonic()
    write_mask(path, crf_probabilities(image, probabilities).argmax(axis=0))
    return time.monotonic() - begin
