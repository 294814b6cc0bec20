"""A training step and a prediction of the stage segment: images/s and peak memory, ways side by side.

    python benchmarks/segment_step.py [--backbone resnet101] [--crop 321] [--batch 2] [--rounds 2]

Each way runs in a process of its own, so that its peak memory is its own; the rounds take turns among the
ways, and the fastest round of each counts. Ratios are against the first row of each table. On a GPU half
precision is measured too.
"""

import argparse
import multiprocessing
import resource
import time
from typing import Any

import segment  # noqa: F401  (the compatibility layer comes first)

# isort: split
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from ratios import print_ratio
from segment.infer import predict_probabilities
from segment.network import build_network
from segment.settings import complete_config
from segment.stage import STAGE
from wsss.backbones import build_backbone
from wsss.config import load_config

CUDA = torch.cuda.is_available()
TRAINING = {
    "three scales and their maximum, loss at stride 8": {},
    "one scale, loss at stride 8": {"train_scales": (1.0,)},
    "three scales and their maximum, loss at every pixel": {"label_stride": 1},
}
PREDICTION = {
    "scales .5 to 1.5 with flips (10 passes)": {"scales": (0.5, 0.75, 1.0, 1.25, 1.5), "flip": True},
    "one scale with flip": {"scales": (1.0,), "flip": True},
    "one scale": {"scales": (1.0,), "flip": False},
}


def main() -> None:
    """Measure all ways and print one table each for training and prediction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet101")
    parser.add_argument("--crop", type=int, default=321)
    parser.add_argument("--batch", type=int, default=2, help="10 in the presets of VOC")
    parser.add_argument("--size", type=int, nargs=2, default=(366, 500), help="of an image to predict")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    device = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
    print(f"{options.backbone}, {device}, torch {torch.__version__}, {options.rounds} rounds")
    ways = {
        f"{name}, {kind}": (settings, kind) for name, settings in TRAINING.items() for kind in precisions()
    }
    print(f"\ntraining step, batch {options.batch}, crop {options.crop}")
    report({name: (train_step, way, options) for name, way in ways.items()}, options.rounds)
    print(f"\nprediction of {options.size[0]} x {options.size[1]} pixels")
    report({name: (predict, (way, "single"), options) for name, way in PREDICTION.items()}, options.rounds)


def precisions() -> tuple[str, ...]:
    """What a training step is measured in."""
    return ("single", "half") if CUDA else ("single",)


def report(ways: dict[str, Any], rounds: int) -> None:
    """Print images/s, ratio and peak memory of each way."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (function, way, options) in ways.items():
            found[name].append(measure(function, way, options))
    best = {
        name: (max(rate for rate, _ in results), min(memory for _, memory in results))
        for name, results in found.items()
    }
    for name, (rate, memory) in best.items():
        print(f"  {name:60s} {rate:8.3f} images/s  peak {memory:6.2f} GiB")
    first, *others = best
    for name in others:
        print_ratio(f"images/s, {name} / {first}", best[name][0] / best[first][0])
        print_ratio(f"memory, {name} / {first}", best[name][1] / best[first][1])


def measure(function: Any, way: Any, options: argparse.Namespace) -> tuple[float, float]:
    """Images/s and peak memory of one way in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        rate, memory = pool.apply(function, (way, options))
    return float(rate), float(memory)


def train_step(way: Any, options: argparse.Namespace) -> tuple[float, float]:
    """One step to warm up, then three."""
    settings, kind = way
    network = build(options, settings).train()
    image = torch.randn(options.batch, 3, options.crop, options.crop)
    label = torch.randint(0, 21, (1, options.crop, options.crop))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label.clone())) for _ in range(options.batch)]
    if CUDA:
        image, samples = image.cuda(), [sample.cuda() for sample in samples]
    image = image.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-9, momentum=0.9)
    scaler = torch.amp.GradScaler("cuda", enabled=kind == "half")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", enabled=kind == "half"):
            loss = sum(network.loss(image, samples).values())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return options.batch * rate_of(step, warm=1, count=3), peak()


def predict(way: Any, options: argparse.Namespace) -> tuple[float, float]:
    """One prediction to warm up, then three."""
    settings, _ = way
    network = build(options, {}).eval()
    image = np.random.default_rng(0).integers(0, 256, (*options.size, 3), dtype=np.uint8)
    return rate_of(lambda: predict_probabilities(network, image, **settings), warm=1, count=3), peak()


def build(options: argparse.Namespace, settings: dict[str, Any]) -> Any:
    """The network of the VOC preset on random weights, with another backbone if asked for."""
    config = load_config(STAGE, "voc", options=["model.pretrained=None"])
    config.merge_from_dict({"model": {"backbone": {"name": options.backbone}, **settings}})
    config.model.decode_head.in_channels = build_backbone(options.backbone).channels[-1]
    torch.manual_seed(0)
    network = build_network(complete_config(config, num_classes=20, masks=None).model)
    network.decode_head.init_weights()
    return network


def rate_of(work: Any, *, warm: int, count: int) -> float:
    """Calls per second."""
    for _ in range(warm):
        work()
    wait()
    begin = time.perf_counter()
    for _ in range(count):
        work()
    wait()
    return count / (time.perf_counter() - begin)


def wait() -> None:
    """Let the GPU finish."""
    if CUDA:
        torch.cuda.synchronize()


def peak() -> float:
    """Peak memory in GiB: of the GPU, or of the process."""
    if CUDA:
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
