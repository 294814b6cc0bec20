"""One BAS training step: the same weights held constant, against a copy of tail and classifier per step.

    python benchmarks/bas_step.py [--batch 2] [--crop 224] [--rounds 5]

Both ways take the same steps by turns on the same weights and images; losses must be equal. Peak memory is
that of a process of its own for each way, above what it held before the step (on a GPU: CUDA's own count).
"""

import argparse
import copy
import multiprocessing
import resource
import statistics
import time

import torch
from torch import Tensor, nn

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.model import BASNet


class CopyingBASNet(BASNet):
    """The authors' way: a deep copy carries the background path, and gets gradients that nobody uses."""

    def _background_logit(self, features: Tensor, drawn_map: Tensor) -> Tensor:
        path = copy.deepcopy(nn.Sequential(*self._tail(), self.classifier))
        return path(features.detach() * (1 - drawn_map)).mean(dim=(2, 3))


WAYS = {"ours": BASNet, "copying": CopyingBASNet}


def build(way: str) -> BASNet:
    """The network of one way; equal weights for both."""
    torch.manual_seed(0)
    return WAYS[way]("resnet50", 20).to(device()).train()


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batch(size: int, crop: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images (B, 3, crop, crop), tags (B, 20) and drawn classes (B,)."""
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randint(20, (size,), generator=generator)
    tags = torch.nn.functional.one_hot(drawn, 20).float()
    image = torch.randn(size, 3, crop, crop, generator=generator)
    return image.to(device()), tags.to(device()), drawn.to(device())


def step(network: BASNet, data: tuple[Tensor, Tensor, Tensor]) -> tuple[float, list[float]]:
    """Seconds and losses of one step, forwards and backwards."""
    image, tags, drawn = data
    begin = time.perf_counter()
    terms = network.losses(image, tags, drawn_class=drawn)
    loss = (
        terms["classification"]
        + 0.2 * terms["foreground_guidance"]
        + 1.2 * terms["area"]
        + terms["background_suppression"]
    )
    network.zero_grad(set_to_none=True)
    loss.backward()
    values = [float(term.detach()) for term in terms.values() if term.ndim == 0]
    return time.perf_counter() - begin, values


def peak(way: str, size: int, crop: int, queue: "multiprocessing.Queue[float]") -> None:
    """Peak memory of three steps above what the process held before, in MiB."""
    network, data = build(way), batch(size, crop)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    for _ in range(3):
        step(network, data)
    after = (
        torch.cuda.max_memory_allocated() / 2**20
        if torch.cuda.is_available()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    queue.put(after - before)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    memory = {}
    for way in WAYS:
        queue: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=peak, args=(way, options.batch, options.crop, queue))
        process.start()
        memory[way] = queue.get()
        process.join()
    networks = {way: build(way) for way in WAYS}
    data = batch(options.batch, options.crop)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    worst = 0.0
    for index in range(options.rounds + 1):
        losses = {}
        for way, network in networks.items():
            taken, losses[way] = step(network, data)
            if index:  # the first round warms up
                seconds[way].append(taken)
        worst = max(worst, *(abs(a - b) for a, b in zip(losses["ours"], losses["copying"], strict=True)))
    median = {way: statistics.median(values) for way, values in seconds.items()}
    print(f"ResNet50, batch {options.batch}, crop {options.crop}, {device().type}, {options.rounds} rounds")
    for way in WAYS:
        print(f"  {way:8s} {median[way]:7.3f} s/step  {memory[way]:7.0f} MiB")
    print(f"  largest difference of a loss {worst:.1e}")
    print_ratio("time of a step, copying / ours", median["copying"] / median["ours"])
    print_ratio("memory of a step, copying / ours", memory["copying"] / memory["ours"])


if __name__ == "__main__":
    main()
