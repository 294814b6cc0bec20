"""What storing seeds at stride 4 in float16 costs and saves, against full resolution in float32.

    tools/run_stage.sh seeds demo
    python benchmarks/seed_size.py [demo work/demo/seeds] [--every 4]

The network of the published seeds makes its maps once more, summed over scales and flips at full
resolution, as the authors of IRN and BAS store them (their file holds the maps at stride 4 besides). Both are
scored at every threshold; the figures are those at the oracle threshold, train.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio, skip
from seeds.fuse import normalize
from seeds.methods import Plan, find_method
from seeds.stage import STAGE
from seeds.train import build_predictor
from wsss.artifacts import Seed, open_artifact, read_seed
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.evaluate import oracle, sweep_seeds
from wsss.images import normalize_image, read_image
from wsss.paths import PROJECT_ROOT
from wsss.training import FINAL
from wsss.weights import load_weights


class FullSeed(Seed):
    """Maps that are at the image's size already."""

    def upsample(self) -> np.ndarray:
        """The maps as they are."""
        return self.maps


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("seeds", type=Path, nargs="?", default=PROJECT_ROOT / "work" / "demo" / "seeds")
    parser.add_argument("--every", type=int, default=4, help="score every n-th image")
    options = parser.parse_args()
    if not (options.seeds / "train" / FINAL).is_file():
        skip(f"no trained seeds in {options.seeds}: tools/run_stage.sh seeds {options.dataset}")
    config = load_config(STAGE, options.dataset)
    dataset = build_dataset(config.dataset)
    artifact = open_artifact(options.seeds)
    plan = Plan(config, tuple(dataset.classes), len(artifact.ids))
    network: Any = build_predictor(find_method(config.method), plan)
    network.load_state_dict(load_weights(options.seeds / "train" / FINAL, what="a trained network"))
    network.eval()
    image_ids = artifact.ids[:: options.every]

    @torch.no_grad()
    def full_seed(image_id: str) -> Seed:
        image = read_image(dataset.image_file(image_id))
        tensor = normalize_image(image)[None]
        labels = np.array(dataset.tags(image_id), np.uint8)
        total = torch.zeros(len(labels), *image.shape[:2])
        for scale in config.infer.scales:
            scaled = tuple(max(round(side * scale), 1) for side in image.shape[:2])
            batch = F.interpolate(tensor, scaled, mode="bilinear", align_corners=False)
            maps = network.seed_maps(torch.cat([batch, batch.flip(3)]))[:, labels.astype(int) - 1]
            maps = F.interpolate(maps, image.shape[:2], mode="bilinear", align_corners=False)
            total += maps[0] + maps[1].flip(2)
        return FullSeed(labels, normalize(total).numpy(), image.shape[:2])

    stored = sum(artifact.file(image_id).stat().st_size for image_id in image_ids)
    theirs = 0
    for image_id in image_ids:
        seed = read_seed(artifact.file(image_id))
        theirs += 4 * len(seed.classes) * (seed.size[0] * seed.size[1] + seed.maps[0].size)
    ours, _ = oracle(sweep_seeds(lambda one: read_seed(artifact.file(one)), dataset, image_ids), "train")
    full, _ = oracle(sweep_seeds(full_seed, dataset, image_ids), "train")
    count = len(image_ids)
    print(f"{count} images of {options.dataset}")
    print(f"  bytes per image: {stored / count:.0f}, full resolution {theirs / count:.0f}")
    print(f"  mIoU: {100 * ours['mIoU']:.2f}, full resolution {100 * full['mIoU']:.2f}")
    print_ratio("bytes of a seed, full resolution / ours", theirs / stored)
    print_ratio("mIoU at the oracle threshold, full resolution / ours", full["mIoU"] / ours["mIoU"])


if __name__ == "__main__":
    main()
