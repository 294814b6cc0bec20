"""Rough time of a run on CPUs, before its first one is done: measured seconds per pixel of each backbone."""

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Speed:
    """Core-seconds per million pixels of a backbone, in float32.

    Attributes:
        train: forward and backward pass at stride 16.
        forward: forward pass at stride 16.
        dense_train: forward and backward pass at stride 8, dilated.
        dense_forward: forward pass at stride 8, dilated.
    """

    train: float
    forward: float
    dense_train: float
    dense_forward: float


# By benchmarks/backbone_speed.py, one thread of a server's CPU of 2024.
SPEEDS: Mapping[str, Speed] = {
    "plain8": Speed(0.44, 0.11, 0.62, 0.19),
    "mobilenetv1_100": Speed(1.8, 0.48, 6.6, 1.9),
    "mobilenet_v2": Speed(1.5, 0.44, 5.4, 1.2),
    "resnet18": Speed(4.1, 1.3, 9.7, 3.1),
    "resnet50": Speed(9.3, 2.9, 26, 8.1),
    "resnet101": Speed(15, 4.6, 45, 15),
    "vgg16": Speed(20, 5.8, 24, 7.2),
    "inception_v3": Speed(8.1, 2.8, 24, 7.8),
}

# What a step takes beside its backbone: heads, a second pass of the tail, reading and augmenting images.
STEP_OVERHEAD = 1.5


def training_pixels(images: int, epochs: float, side: int) -> float:
    """Million pixels that a training on square crops sees.

    >>> training_pixels(1000, epochs=5, side=200)
    200.0
    """
    return images * epochs * side**2 / 1e6


def multi_scale_pixels(images: int, pixels: float, scales: Sequence[float], *, flip: bool = True) -> float:
    """Million pixels of a forward pass over all images at several scales.

    Args:
        images: their number.
        pixels: million pixels of one.
        scales: factors on its sides.
        flip: each is seen mirrored too.
    """
    return images * pixels * sum(scale**2 for scale in scales) * (2 if flip else 1)
