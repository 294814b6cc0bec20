"""Seeds of one image: ours against the full forward pass that the authors of BAS run.

    python benchmarks/seed_inference.py [--height 375] [--width 500] [--rounds 3]

Ours runs the layers up to the generator on image and flip together. The authors' way runs tail and classifier
too, whose output the maps do not need. Both take the same scales one after another in one process, by turns,
on the same weights; the maps must be equal to 1e-5.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor
from torch.nn import functional as F

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.infer import multi_scale_maps
from seeds.model import BASNet
from wsss.artifacts import grid_of

SCALES = (1.0, 0.5, 1.5, 2.0)


@torch.no_grad()
def full_forward_maps(network: BASNet, image: Tensor) -> Tensor:
    """The authors' way: image and flip through the whole network, scale by scale."""
    height, width = image.shape[2:]
    size = grid_of((height, width))
    total = torch.zeros(1, device=image.device)
    for scale in SCALES:
        scaled = (round(height * scale), round(width * scale))
        one = image if scale == 1 else F.interpolate(image, scaled, mode="bilinear", align_corners=False)
        features = network.extract(torch.cat([one, one.flip(3)]))
        network.classify(features)
        maps = network.generator(network.normalizer(features)).sigmoid()
        maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        total = total + maps[0] + maps[1].flip(2)
    return total


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    image = torch.randn(1, 3, options.height, options.width, device=device)
    theirs = BASNet("resnet50", 20).to(device)
    with torch.no_grad():
        for _ in range(10):
            theirs(image)  # gives batch norm statistics that fit random weights
    theirs.eval()
    ours = BASNet("resnet50", 20).eval()
    ours.load_state_dict(theirs.state_dict())
    ours.to(device, memory_format=torch.channels_last)
    ways = {
        "ours": lambda: multi_scale_maps(ours, image, scales=SCALES, flip=True),
        "full forward": lambda: full_forward_maps(theirs, image),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    maps = {}
    for index in range(options.rounds + 1):
        for way, run in ways.items():
            begin = time.perf_counter()
            maps[way] = run().cpu()
            if index:  # the first round warms up
                seconds[way].append(time.perf_counter() - begin)
    median = {way: statistics.median(values) for way, values in seconds.items()}
    print(f"ResNet50, {options.width}x{options.height}, scales {SCALES} with flips, {device.type}")
    for way in ways:
        print(f"  {way:12s} {1 / median[way]:7.3f} images/s")
    difference = float((maps["ours"] - maps["full forward"]).abs().max()) / (2 * len(SCALES))
    print(f"  largest difference of a map {difference:.1e}")
    print_ratio("time, full forward pass / ours", median["full forward"] / median["ours"])


if __name__ == "__main__":
    main()
