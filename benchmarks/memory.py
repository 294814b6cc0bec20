"""Peak memory of each stage with 16 and with 64 images of the demo, and growth over 10,000 random walks.

    python benchmarks/memory.py [--stages seeds refine segment] [--walks 10000]

A ratio near 1 says that memory does not grow with the number of images. Stages run in processes of their own,
with networks and images small enough that a megabyte more shows.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from ratios import print_ratio
from refine.walk import random_walk

IMAGES = (16, 64)
# Few steps; no step takes more images because there are more. All in the process that is measured.
SMALL = {
    "seeds": (
        "train.resize=64", "train.crop=56", "train.epochs=2", "model.warmup_epochs=1", "infer.scales=(1.0,)",
        "train.num_workers=0",
    ),
    "refine": (
        "train.crop=64", "train.batch_size=8", "train.epochs=2", "infer.steps=16", "train.num_workers=0",
        "labels.num_workers=1",
    ),
    "segment": ("train_cfg.max_iters=8", "infer.scales=(1.0,)", "train_dataloader.num_workers=0"),
}  # fmt: skip


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stages", nargs="*", default=tuple(SMALL), choices=SMALL)
    parser.add_argument("--walks", type=int, default=10_000, help="0: none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        peaks = {images: peaks_of(Path(scratch), images, options.stages) for images in IMAGES}
    for stage in options.stages:
        few, many = (peaks[images][stage] for images in IMAGES)
        print(f"{stage}: {few:.0f} MB with {IMAGES[0]} images, {many:.0f} MB with {IMAGES[1]}")
        print_ratio(f"peak memory of {stage}, {IMAGES[1]} / {IMAGES[0]} images", many / few)
    if options.walks:
        early, late = memory_of_walks(options.walks)
        print(f"walks: {early:.0f} MB held after a tenth, {late:.0f} MB after {options.walks}")
        print_ratio(f"memory after {options.walks} walks / after a tenth of them", late / early)


def peaks_of(scratch: Path, images: int, stages: tuple[str, ...]) -> dict[str, float]:
    """Run stages in their order on so many images: stage -> its most megabytes."""
    found = {}
    for stage in stages:
        # As many images of val: the stage segment predicts these.
        data = (f"dataset.train={images}", f"dataset.val={images}", "dataset.side=96")
        command = [sys.executable, "-m", "wsss.cli", "run", stage, "demo", "--no-baselines"]
        command += ["--data-root", f"{scratch}/data{images}", "--work-dir", f"{scratch}/work{images}"]
        with (scratch / "log").open("w+") as log:
            process = subprocess.Popen(
                [*command, "--cfg-options", *data, *SMALL[stage]], stdout=log, stderr=log
            )
            # The usage of this process alone; that of all children together only ever rises.
            _, status, usage = os.wait4(process.pid, 0)
            log.seek(0)
            if status:
                sys.exit(f"{stage} failed with {images} images:\n{log.read()}")
        found[stage] = usage.ru_maxrss / 1e3
    return found


def memory_of_walks(walks: int) -> tuple[float, float]:
    """Megabytes that this process holds after a tenth of the walks, when all is warm, and after all."""
    generator = torch.Generator().manual_seed(0)
    held = 0.0
    for number in range(walks):
        # Sizes differ as those of images do: a cache by size would show.
        height, width = 8 + number % 9, 8 + number % 7
        random_walk(
            torch.rand(2, height, width, generator=generator),
            torch.rand(1, height, width, generator=generator),
            steps=8,
        )
        if number + 1 == max(walks // 10, 1):
            held = held_now()
    return held, held_now()


def held_now() -> float:
    """Megabytes of memory that this process holds (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
