"""The random walk against the authors' dense way: seconds, peak memory, and the ratio of both.

``python benchmarks/random_walk.py [--dense-up-to N]``. Two classes, radius 5, beta 10, 256 steps. The dense
way (float32, as theirs) builds T and squares it eight times; beyond N pixels (default 4,096: half a minute
on two cores) its time is extrapolated by its cost law, pixels^3, and marked so. Each time is the best of
several, both ways in turn. Memory is what one walk adds to the peak of a process of its own (Linux only).
"""

import argparse
import multiprocessing
import re
import time
from pathlib import Path

import torch

from ratios import print_ratio
from refine.pairs import path_maxima
from refine.walk import random_walk

GRIDS = ((32, 32), (64, 64), (94, 125))
LARGE = ((188, 250), (376, 500))  # VOC images at strides 2 and 1, to see the law of ours
CLASSES, RADIUS, BETA, SQUARINGS = 2, 5, 10, 8


def walk_densely(seed: torch.Tensor, edge: torch.Tensor) -> torch.Tensor:
    """Walk with T as an (h w, h w) float32 matrix, to the power of 256."""
    height, width = edge.shape[-2:]
    index = torch.arange(height * width).reshape(height, width)
    transition = torch.eye(height * width)
    for (dy, dx), maximum in path_maxima(edge[0], RADIUS).items():
        source = index[: height - dy, max(0, -dx) : width - max(0, dx)]
        destination = index[dy:, max(0, dx) : width + min(0, dx)]
        transition[source, destination] = transition[destination, source] = 1 - maximum
    transition = transition**BETA
    transition /= transition.sum(dim=0)
    for _ in range(SQUARINGS):
        transition = transition @ transition
    return ((seed * (1 - edge)).flatten(1) @ transition).reshape(seed.shape)


def inputs(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A seed and edges like a network's: mostly low, some high."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand(CLASSES, height, width, generator=generator),
        torch.rand(1, height, width, generator=generator) ** 3,
    )


def seconds(walk, arguments, repeats: int) -> float:
    """Least wall-clock time of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        walk(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


def added_megabytes(walk, size: tuple[int, int]) -> float:
    """Peak memory that one walk adds, in a process of its own after a tiny walk has loaded all libraries."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_added, (walk, size))


def _added(walk, size: tuple[int, int]) -> float:
    walk(*inputs(8, 8))
    arguments = inputs(*size)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is in use now
    before = _peak_kilobytes()
    walk(*arguments)
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def main() -> None:
    """Print one row per grid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dense-up-to", type=int, default=4096, help="pixels; 94x125 takes minutes")
    limit = parser.parse_args().dense_up_to
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {CLASSES} classes")
    print("grid        dense s     ours s    dense MB   ours MB")
    base = None
    for height, width in GRIDS:
        pixels, arguments = height * width, inputs(height, width)
        ours = seconds(random_walk, arguments, 3)
        if pixels <= limit:
            dense = seconds(walk_densely, arguments, 2)
            ours = min(ours, seconds(random_walk, arguments, 3))
            largest = (walk_densely(*arguments) - random_walk(*arguments)).abs().max()
            note = f"largest difference {largest:.1e}"
            base = (pixels, dense)
            dense_memory = f"{added_megabytes(walk_densely, (height, width)):8.0f}"
        else:
            dense = base[1] * (pixels / base[0]) ** 3
            note = f"dense extrapolated from {base[0]} pixels by pixels^3, its memory is T and one product"
            dense_memory = f"{2 * 4 * pixels**2 / 2**20:8.0f}"
        memory = added_megabytes(random_walk, (height, width))
        print(f"{height}x{width:<7} {dense:8.2f} {ours:10.3f}    {dense_memory} {memory:9.0f}   {note}")
        how = "" if pixels <= limit else ", dense extrapolated"
        print_ratio(f"time, dense / ours, {height}x{width}{how}", dense / ours)
    for height, width in LARGE:
        ours = seconds(random_walk, inputs(height, width), 1)
        memory = added_megabytes(random_walk, (height, width))
        print(
            f"{height}x{width:<7} {'':8} {ours:10.3f}    {'':8} {memory:9.0f}   "
            f"{memory * 2**20 / (height * width):.0f} bytes a pixel"
        )


if __name__ == "__main__":
    main()
