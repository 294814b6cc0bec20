"""B-CAM's gradient maps: the closed form in the forward pass, against backward passes for each class.

    python benchmarks/bcam_gradient.py [--classes 20] [--heads 100] [--size 224] [--rounds 5] [--layout cub]

Both ways make object and background maps of all classes of one image by turns, from equal features. The
backward passes go from the scores to the features and no further: two for each class, the least that autograd
needs (the authors' hooks let each of them run through the backbone as well). The second ratio counts one
forward pass of the backbone for both. Aggregators and classifiers are random, the attention is not uniform.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

import wsss  # noqa: F401  the compatibility layer comes first
from ratios import print_ratio
from seeds.methods.bcam import BCAMNet
from seeds.methods.bcam_maps import pooled_gradient_maps


def build(options: argparse.Namespace) -> BCAMNet:
    """A network on random weights, in evaluation mode."""
    torch.manual_seed(0)
    network = BCAMNet(
        options.classes, layout=options.layout, heads=options.heads, backbone=options.backbone
    ).eval()
    for aggregator in (network.object_aggregator, network.background_aggregator):
        torch.nn.init.xavier_normal_(aggregator.weight)
    return network.to(device())


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def now() -> float:
    """Seconds, once the device has done all it was asked."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.no_grad()
def closed_form(network: BCAMNet, features: Tensor) -> tuple[Tensor, Tensor]:
    """Object and background maps (C, h, w) of features (1, N, h, w)."""
    weight = network.object_classifier.weight.flatten(1)
    contrast = weight - network.background_classifier.weight.flatten(1)
    first, second = pooled_gradient_maps(
        features,
        (network.object_aggregator, network.background_aggregator),
        direction=(weight if network.layout == "cub" else contrast)[None],
        contrast=contrast[None],
    )
    return first[0], second[0]


def backward_passes(network: BCAMNet, features: Tensor) -> tuple[Tensor, Tensor]:
    """The same by autograd: one graph, class after class."""
    features = features.clone().requires_grad_()
    logits = network.judge_features(features)
    maps = []
    for one, other in (
        ("object_object", "background_object"),
        ("background_background", "object_background"),
    ):
        of_classes = []
        for score in (logits[one] - logits[other])[0]:
            (gradient,) = torch.autograd.grad(score, features, retain_graph=True)
            of_classes.append((gradient * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1)[0])
        maps.append(torch.stack(of_classes))
    return maps[0], maps[1]


WAYS = {"closed form": closed_form, "autograd": backward_passes}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layout", choices=("voc", "cub"), default="cub")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    network = build(options)
    image = torch.randn(1, 3, options.size, options.size, generator=torch.Generator().manual_seed(1)).to(
        device()
    )
    seconds: dict[str, list[float]] = {"backbone": [], **{way: [] for way in WAYS}}
    worst = 0.0
    for index in range(options.rounds + 1):
        begin = now()
        with torch.no_grad():
            features = network.backbone(image)[-1]
        taken = {"backbone": now() - begin}
        made = {}
        for way, make in WAYS.items():
            begin = now()
            made[way] = make(network, features)
            taken[way] = now() - begin
        if index:  # the first round warms up
            for name, value in taken.items():
                seconds[name].append(value)
        for ours, theirs in zip(made["closed form"], made["autograd"], strict=True):
            worst = max(worst, float((ours - theirs).abs().max() / theirs.abs().max()))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{options.backbone}, layout {options.layout}, {options.size} px, {options.classes} classes, "
        f"{options.heads} heads, {device().type}, {options.rounds} rounds"
    )
    for name, value in median.items():
        print(f"  {name:12s} {value * 1e3:10.2f} ms")
    forward, ours, theirs = median["backbone"], median["closed form"], median["autograd"]
    print(f"  largest difference {worst:.1e} of the largest value")
    print_ratio("time, autograd / closed form", theirs / ours)
    print_ratio("time with the forward pass, autograd / closed form", (forward + theirs) / (forward + ours))


if __name__ == "__main__":
    main()
