"""What the number of threads changes in a training: the same draws, sums in another order, other weights.

    python benchmarks/threads.py [--threads 2] [--epochs 16]

BAS is trained on 64 images of the demo in processes of their own: twice with one thread and once with
more. Of each step the images with their augmentation, of some the loss and all weights are compared.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.dataset import TaggedImages
from seeds.methods import Plan, find_method
from seeds.stage import STAGE
from seeds.train import build_training
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.training import train_network


class Course(NamedTuple):
    """What a training was at each step: hash of its images, loss, and all weights after it."""

    images: NDArray[np.str_]
    losses: NDArray[np.float64]
    weights: NDArray[np.float32]


class _Notes(Hook):
    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.images: list[str] = []
        self.losses: list[float] = []
        self.weights: list[NDArray[np.float32]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note a step."""
        self.images.append(hashlib.sha256(data_batch["image"].numpy().tobytes()).hexdigest())
        self.losses.append(float(outputs["loss"].detach()))
        values = [one.detach().flatten() for one in self.network.parameters()]
        self.weights.append(torch.cat(values).numpy())


def main() -> None:
    """Print how far apart the trainings are, step by step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=16, help="of four steps each")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        train(options.into, options.epochs)
        return
    with tempfile.TemporaryDirectory() as scratch:
        one, again, more = (
            course_with(threads, Path(scratch) / name, options.epochs)
            for name, threads in (("one", 1), ("again", 1), ("more", options.threads))
        )
    if not all(np.array_equal(first, second) for first, second in zip(one, again, strict=True)):
        sys.exit("expected the same training twice with one thread, got two")
    if one.images.tolist() != more.images.tolist():
        sys.exit("expected the same images for each number of threads, got others")
    print("1 thread twice: the same bytes; images and augmentation are the same for each number of threads")
    print(f"step  loss with 1, {options.threads} threads  weights apart by, relative")
    steps = len(one.losses)
    for step in dict.fromkeys([*(2**power for power in range(steps.bit_length())), steps]):
        if step <= steps:
            losses = f"{one.losses[step - 1]:.6f}, {more.losses[step - 1]:.6f}"
            print(f"{step:4}  {losses}  {apart(one, more, step):.1e}")
    print_ratio(
        "distance of weights between threads, last step / first",
        apart(one, more, steps) / apart(one, more, 1),
    )


def apart(one: Course, other: Course, step: int) -> float:
    """Distance of the weights after a step, as a share of their length; at least float32's smallest."""
    first, second = one.weights[step - 1].astype(np.float64), other.weights[step - 1]
    share = np.linalg.norm(first - second) / np.linalg.norm(first)
    return max(float(share), float(np.finfo(np.float32).tiny))


def course_with(threads: int, folder: Path, epochs: int) -> Course:
    """Train in a process of its own, whose threads are set before torch is there."""
    command = [sys.executable, __file__, "--into", str(folder), "--epochs", str(epochs)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the training with {threads} threads failed:\n{done.stderr}")
    with np.load(folder / "course.npz") as found:
        return Course(*(found[name] for name in Course._fields))


def train(folder: Path, epochs: int) -> None:
    """Train, and write the course."""
    changes = [f"dataset.root={folder.parent}/data", "dataset.train=64", "dataset.val=2", "dataset.side=96"]
    changes += ["train.resize=80", "train.crop=64", f"train.epochs={epochs}", "model.warmup_epochs=2"]
    config = load_config(STAGE, "demo", options=[*changes, "train.num_workers=0"])
    dataset = build_dataset(config.dataset)
    image_ids = dataset.ids("train")
    method = find_method(config.method)
    plan = Plan(config, tuple(dataset.classes), len(image_ids))
    training = build_training(method, method.trainings(config)[0], plan, {})
    notes = _Notes(training.network)
    train_network(
        training.network,
        TaggedImages(dataset, image_ids, resize=config.train.resize, crop=config.train.crop),
        out_dir=folder,
        schedule=training.schedule,
        parameter_groups=training.parameter_groups,
        optimizer=training.optimizer,
        random_seed=config.random_seed,
        description="train",
        hooks=[*training.hooks, notes],
    )
    np.savez(
        folder / "course.npz",
        images=np.array(notes.images),
        losses=np.array(notes.losses),
        weights=np.stack(notes.weights),
    )


if __name__ == "__main__":
    main()
