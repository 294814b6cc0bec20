"""One training step of BAS for localisation: ours against what the authors' code does.

    python benchmarks/localization_step.py [--backbone resnet50] [--classes 200] [--batch 2] [--rounds 5]

Three ways take the same steps by turns on the same weights and images; losses must be equal. "copying" copies
tail and classifier for the erased path in each step and gives the copies gradients that nobody uses.
"published" does that too and computes the maps of all classes for the one that is trained. Peak memory is
that of a process of its own for each way, above what it held before the step (on a GPU: CUDA's own count).
"""

import argparse
import copy
import multiprocessing
import resource
import statistics
import time
from unittest import mock

import torch
from torch import Tensor, nn

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.localization_backbones import LIBRARY_NAMES
from seeds.methods.bas_localization import LocalizationBAS

SIZE = 224
MAP_OF_CLASS = "seeds.methods.bas_localization.map_of_class"


class CopyingBAS(LocalizationBAS):
    """A deep copy carries the background path."""

    def _background_logit(self, features: Tensor, foreground: Tensor) -> Tensor:
        path = copy.deepcopy(nn.Sequential(self.backbone.tail, self.classifier))
        return path(features.detach() * (1 - foreground)).mean(dim=(2, 3))


class PublishedBAS(CopyingBAS):
    """A deep copy, and the maps of all classes."""

    def losses(self, image: Tensor, label: Tensor) -> dict[str, Tensor]:
        """As in `LocalizationBAS`."""
        with mock.patch(MAP_OF_CLASS, channel_of_all_maps):
            return super().losses(image, label)


def channel_of_all_maps(features: Tensor, generator: nn.Conv2d, label: Tensor) -> Tensor:
    """What `map_of_class` gives, from the whole convolution."""
    rows = torch.arange(len(label), device=label.device)
    return generator(features).sigmoid()[rows, label].unsqueeze(1)


WAYS = {"ours": LocalizationBAS, "copying": CopyingBAS, "published": PublishedBAS}


def build(way: str, backbone: str, classes: int) -> LocalizationBAS:
    """The network of one way; equal weights for all."""
    torch.manual_seed(0)
    return WAYS[way](backbone, classes, alpha=0.5, beta=1.5).to(device()).train()


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batch(size: int, classes: int) -> tuple[Tensor, Tensor]:
    """Images (B, 3, 224, 224) and labels (B,)."""
    generator = torch.Generator().manual_seed(1)
    label = torch.randint(classes, (size,), generator=generator)
    image = torch.randn(size, 3, SIZE, SIZE, generator=generator)
    return image.to(device()), label.to(device())


def step(network: LocalizationBAS, data: tuple[Tensor, Tensor]) -> tuple[float, list[float]]:
    """Seconds and losses of one step, forwards and backwards."""
    wait()
    begin = time.perf_counter()
    terms = network.losses(*data)
    network.zero_grad(set_to_none=True)
    terms["total"].backward()
    wait()
    seconds = time.perf_counter() - begin
    return seconds, [float(term.detach().mean()) for term in terms.values()]


def wait() -> None:
    """Let a GPU finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(way: str, options: argparse.Namespace, queue: "multiprocessing.Queue[float]") -> None:
    """Peak memory of three steps above what the process held before, in MiB."""
    network, data = build(way, options.backbone, options.classes), batch(options.batch, options.classes)
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


def measure_memory(options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of each way, in MiB."""
    context = multiprocessing.get_context("spawn")
    memory = {}
    for way in WAYS:
        queue: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=peak, args=(way, options, queue))
        process.start()
        memory[way] = queue.get()
        process.join()
    return memory


def measure_time(options: argparse.Namespace) -> tuple[dict[str, float], float]:
    """Median seconds of a step of each way, and the largest difference of a loss from ours."""
    networks = {way: build(way, options.backbone, options.classes) for way in WAYS}
    data = batch(options.batch, options.classes)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    worst = 0.0
    for index in range(options.rounds + 1):
        losses = {}
        for way, network in networks.items():
            taken, losses[way] = step(network, data)
            if index:  # the first round warms up
                seconds[way].append(taken)
        for values in losses.values():
            worst = max(worst, *(abs(a - b) for a, b in zip(losses["ours"], values, strict=True)))
    return {way: statistics.median(values) for way, values in seconds.items()}, worst


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", choices=list(LIBRARY_NAMES), default="resnet50")
    parser.add_argument("--classes", type=int, default=200, help="200: CUB, 1000: ILSVRC")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    memory = measure_memory(options)
    median, worst = measure_time(options)
    print(
        f"{options.backbone}, {options.classes} classes, batch {options.batch}, {device().type}, "
        f"{options.rounds} rounds"
    )
    for way in WAYS:
        print(f"  {way:9s} {median[way]:7.3f} s/step  {memory[way]:7.0f} MiB")
    print(f"  largest difference of a loss {worst:.1e}")
    for way in list(WAYS)[1:]:
        print_ratio(f"time of a step, {way} / ours", median[way] / median["ours"])
        print_ratio(f"memory of a step, {way} / ours", memory[way] / memory["ours"])


if __name__ == "__main__":
    main()
