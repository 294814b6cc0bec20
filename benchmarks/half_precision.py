"""A training step of BAS and maps of an image in half precision against full precision.

    python benchmarks/half_precision.py [--batch 4] [--crop 192] [--rounds 3] [--backbone resnet50]

The same weights and images by turns. bf16 everywhere, fp16 on a GPU as well. It pays on processors that
multiply bf16 themselves (Intel's AMX, AMD since Zen 4, GPUs); elsewhere it may be slower.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from bas_step import batch, device

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.model import BASNet


def seconds(work: Callable[[], torch.Tensor], kind: torch.dtype | None) -> tuple[float, torch.Tensor]:
    """Time of one call under automatic mixed precision, and its value."""
    begin = time.perf_counter()
    with torch.autocast(device().type, dtype=kind, enabled=kind is not None):
        value = work()
    if value.requires_grad:
        value.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin, value.detach().float()


def main() -> None:
    """Print a line and two ratios for each precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="resnet50")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = BASNet(options.backbone, 20).to(device(), memory_format=torch.channels_last)
    image, tags, _ = batch(options.batch, options.crop)
    image = image.to(memory_format=torch.channels_last)

    def step() -> torch.Tensor:
        network.train().zero_grad(set_to_none=True)
        return network.training_losses({"image": image, "tags": tags}, step=0)["loss"]

    @torch.no_grad()
    def maps() -> torch.Tensor:
        return network.eval().maps(image)

    kinds = {"fp32": None, "bf16": torch.bfloat16}
    if torch.cuda.is_available():
        kinds["fp16"] = torch.float16
    print(f"{options.backbone}, {options.batch} images of {options.crop}, {device().type}")
    for what, work in (("training step", step), ("maps", maps)):
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        values = {}
        for index in range(options.rounds + 1):
            for name, kind in kinds.items():
                torch.manual_seed(1)  # the drawn classes
                spent, values[name] = seconds(work, kind)
                if index:  # the first round warms up
                    taken[name].append(spent)
        median = {name: statistics.median(found) for name, found in taken.items()}
        for name in kinds:
            differs = (values[name] - values["fp32"]).abs().max().item()
            print(f"  {what:14}{name:5}{median[name]:8.3f} s, largest difference {differs:.1e}")
            if name != "fp32":
                print_ratio(f"time of {what}, fp32 / {name}", median["fp32"] / median[name])


if __name__ == "__main__":
    main()
