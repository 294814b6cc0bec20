"""Loss of IRNet against the gather-per-path way: seconds forward and backward, and the ratio of both.

``python benchmarks/irn_step.py [--batch N] [--side N]``. Radius 10. The other way looks up every pixel of
every path in tables that are built once for the size of the image, as the authors do, and takes the maximum
of each path. Both ways in turn, the best of several; the two losses must agree.
"""

import argparse
import time
from collections import defaultdict

import torch
from torch import Tensor

from ratios import print_ratio
from refine.losses import EPS, affinity_loss
from refine.pairs import pair_offsets, straight_path
from wsss.artifacts import IGNORE

RADIUS = 10


class GatherLoss:
    """The edge losses by tables of the pixels of all paths."""

    def __init__(self, height: int, width: int) -> None:
        reach = RADIUS - 1
        rows, columns = torch.arange(height - reach), torch.arange(reach, width - reach)
        self.source = (rows[:, None] * width + columns).flatten()
        by_length = defaultdict(list)
        for dy, dx in pair_offsets(RADIUS):
            shifts = torch.tensor([y * width + x for y, x in straight_path(dy, dx)])
            by_length[len(shifts)].append((dy * width + dx, self.source + shifts[:, None]))
        # One table (paths, length, sources) for each length of path.
        self.tables = [torch.stack([table for _, table in group]) for group in by_length.values()]
        distances = [distance for group in by_length.values() for distance, _ in group]
        self.destination = torch.stack([self.source + distance for distance in distances])

    def __call__(self, edge_logit: Tensor, label: Tensor) -> Tensor:
        """Positive plus negative loss of logits (B, 1, h, w) and labels (B, h, w)."""
        edge = edge_logit.sigmoid().flatten(1)
        largest = torch.cat([edge[:, table].amax(dim=2) for table in self.tables], dim=1)
        flat = label.flatten(1)
        source, destination = flat[:, None, self.source], flat[:, self.destination]
        confident = (source != IGNORE) & (destination != IGNORE)
        same, differ = (source == destination) & confident, (source != destination) & confident
        same_loss, differ_loss = -torch.log1p(EPS - largest), -torch.log(largest + EPS)
        background, foreground = same & (source == 0), same & (source != 0)
        positive = sum((same_loss * mask).sum() / (mask.sum() + EPS) for mask in (background, foreground))
        return positive / 2 + (differ_loss * differ).sum() / (differ.sum() + EPS)


def main() -> None:
    """Print both times, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--side", type=int, default=128, help="of the stride-4 grid; crop 512 has 128")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = (options.batch, options.side, options.side)
    generator = torch.Generator().manual_seed(0)
    logit = torch.randn(options.batch, 1, *size[1:], generator=generator).requires_grad_()
    label = torch.tensor([0, 1, 2, IGNORE])[torch.randint(4, size, generator=generator)]
    by_gather = GatherLoss(*size[1:])

    def ours() -> Tensor:
        terms = affinity_loss(logit, label, radius=RADIUS)
        return terms["positive"] + terms["negative"]

    ways = {"gather per path": lambda: by_gather(logit, label), "ours": ours}
    least = dict.fromkeys(ways, float("inf"))
    losses = {}
    for _ in range(options.rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            loss = way()
            loss.backward()
            least[name] = min(least[name], time.perf_counter() - begin)
            losses[name] = float(loss.detach())
    for name, seconds in least.items():
        print(f"{name:16} {seconds:7.3f} s, loss {losses[name]:.6f}")
    print(f"batch {size}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print_ratio("time of the loss, gather per path / ours", least["gather per path"] / least["ours"])


if __name__ == "__main__":
    main()
