"""Core-seconds per million pixels of each backbone: what the plan's estimates of time rest on (`wsss.speed`).

CPU time of one thread, so that other work on the machine hardly moves it:

    python benchmarks/backbone_speed.py resnet50 mobilenetv1_100
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ratios import print_ratio
from wsss.backbones import build_backbone
from wsss.speed import SPEEDS

NAMES = tuple(SPEEDS)


def cost(step: Callable[[], None], pixels: int, rounds: int) -> float:
    """Least CPU seconds of a step per million pixels."""
    step()
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        step()
        best = min(best, time.process_time() - begin)
    return best / pixels * 1e6


def train_step(network: nn.Module, image: Tensor) -> None:
    """A forward and a backward pass."""
    network.train()(image)[-1].mean().backward()


@torch.no_grad()
def forward(network: nn.Module, image: Tensor) -> None:
    """A forward pass."""
    network.eval()(image)


def main() -> None:
    """Print a table: as trained for seeds (stride 16), and as DeepLab has it (stride 8, dilated)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    image = torch.randn(options.batch, 3, options.side, options.side).contiguous(
        memory_format=torch.channels_last
    )
    pixels = options.batch * options.side**2
    print(f"{'backbone':18} {'train':>7} {'forward':>7} {'train/8':>7} {'forward/8':>9}")
    for name in options.names:
        row = []
        for stride, dilate in ((16, False), (8, True)):
            network = build_backbone(name, output_stride=stride, dilate=dilate)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            row.append(cost(lambda network=network: train_step(network, image), pixels, options.rounds))
            row.append(cost(lambda network=network: forward(network, image), pixels, options.rounds))
        print(f"{name:18} {row[0]:7.2f} {row[1]:7.2f} {row[2]:7.2f} {row[3]:9.2f}", flush=True)
        if name in SPEEDS:
            assumed = dataclasses.astuple(SPEEDS[name])
            spread = [measured / one for measured, one in zip(row, assumed, strict=True)]
            print_ratio(f"{name}: core-seconds, measured / assumed by plans", statistics.median(spread))


if __name__ == "__main__":
    main()
