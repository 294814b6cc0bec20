"""Losses that teach IRNet its edges and displacements from pairs of confident pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from refine.pairs import Offset, pair_offsets, path_maxima
from wsss.artifacts import IGNORE
from wsss.distributed import processes, sum_up

# Added to every count before a division and inside every logarithm, as in the authors' code.
EPS = 1e-5


def affinity_displacement_loss(
    edge_logit: Tensor, displacement: Tensor, label: Tensor, *, radius: float
) -> dict[str, Tensor]:
    """The four losses of IRNet and their sum.

    Affinity of a pair = 1 - the largest edge on the straight path between its pixels. Sources are the pixels
    from which every offset of the half disc stays inside the image, so that all offsets count the same number
    of pairs; a grid too small to have such a pixel gives zeros.

    Args:
        edge_logit: (B, 1, h, w) float, before the sigmoid.
        displacement: (B, 2, h, w) float, (dy, dx) in pixels of this grid towards the object's centre.
        label: (B, h, w) integer. 0 background, 1..C classes, 255 unsure: pairs with an unsure end do not
            count.
        radius: pixels of this grid.

    Returns:
        Scalars ``positive`` (pairs of one label keep a high affinity), ``negative`` (pairs of two labels a
        low one), ``displacement_foreground`` and ``displacement_background`` (pixels), and ``total``, the
        mean of the first two plus the mean of the last two.

    Raises:
        ValueError: the shapes do not belong together.

    Source: Ahn et al., CVPR 2019, eq. 4 to 9; constants and the choice of sources from the authors' code.

    >>> label = torch.zeros(1, 8, 12, dtype=torch.long)
    >>> losses = affinity_displacement_loss(
    ...     torch.zeros(1, 1, 8, 12), torch.zeros(1, 2, 8, 12), label, radius=3
    ... )
    >>> losses["positive"], losses["negative"]
    (tensor(0.3466), tensor(0.))
    """
    _check_shapes(edge_logit, displacement, label)
    terms = affinity_loss(edge_logit, label, radius=radius)
    terms |= displacement_loss(displacement, label, radius=radius)
    pair_terms = (terms["positive"] + terms["negative"]) / 2
    displacement_terms = (terms["displacement_foreground"] + terms["displacement_background"]) / 2
    return terms | {"total": pair_terms + displacement_terms}


def affinity_loss(edge_logit: Tensor, label: Tensor, *, radius: float) -> dict[str, Tensor]:
    """Terms ``positive`` and ``negative`` of ``affinity_displacement_loss``; shapes as there."""
    edge = _at_least_float32(edge_logit[:, 0]).sigmoid()
    sums = edge.new_zeros(3)
    counts = edge.new_zeros(3)
    for offset, maximum in path_maxima(edge, radius).items():
        background, foreground, negative = _pair_masks(label, offset, radius)
        largest = _sources(maximum, offset, radius)
        same = -torch.log1p(EPS - largest)
        differ = -torch.log(largest + EPS)
        masks = torch.stack([background, foreground, negative])
        sums = sums + (torch.stack([same, same, differ]) * masks).flatten(1).sum(1)
        counts += masks.flatten(1).sum(1)
    means = _mean_over_all(sums, counts)
    return {"positive": (means[0] + means[1]) / 2, "negative": means[2]}


def displacement_loss(displacement: Tensor, label: Tensor, *, radius: float) -> dict[str, Tensor]:
    """Terms ``displacement_foreground`` and ``displacement_background`` of ``affinity_displacement_loss``."""
    field = _at_least_float32(displacement)
    sums = field.new_zeros(2)
    counts = field.new_zeros(2)
    for offset in pair_offsets(radius):
        background, foreground, _ = _pair_masks(label, offset, radius)
        source = _grid_sources(field, (0, 0), radius)
        destination = _grid_sources(field, offset, radius)
        difference = source - destination
        # Both pixels of an object point at one centre, so their displacements differ by the offset between
        # them.
        target = field.new_tensor(offset)[:, None, None]
        off_centre = (difference - target).abs().sum(1) * foreground
        off_rest = difference.abs().sum(1) * background
        sums = sums + torch.stack([off_centre.sum(), off_rest.sum()])
        counts += torch.stack([foreground.sum(), background.sum()])
    means = _mean_over_all(sums, 2 * counts)
    return {"displacement_foreground": means[0], "displacement_background": means[1]}


def _mean_over_all(sums: Tensor, counts: Tensor) -> Tensor:
    """What several processes have to average to get the sums over the counts of all of them.

    A mean of each process's own ratio would weigh a pair by how many others of its kind its process has.
    """
    if processes() == 1:
        return sums / (counts.detach() + EPS)
    total = sum_up(counts.detach().cpu()).to(counts)
    return processes() * sums / (total + EPS)


def _at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision has no room for 1 + 1e-5, nor for sums over a million pairs."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _check_shapes(edge_logit: Tensor, displacement: Tensor, label: Tensor) -> None:
    if label.ndim != 3 or label.is_floating_point():
        raise ValueError(
            f"expected an integer label of shape (B, h, w), got {label.dtype} {tuple(label.shape)}"
        )
    batch, height, width = label.shape
    for name, tensor, channels in (("edge_logit", edge_logit, 1), ("displacement", displacement, 2)):
        if tuple(tensor.shape) != (batch, channels, height, width):
            raise ValueError(
                f"expected {name} of shape {(batch, channels, height, width)} for a label of shape "
                f"{tuple(label.shape)}, got {tuple(tensor.shape)}"
            )


def _grid_sources(grid: Tensor, offset: Offset, radius: float) -> Tensor:
    """The sources' pixels of ``grid`` (..., h, w), moved by ``offset``."""
    reach = math.ceil(radius) - 1
    rows = max(0, grid.shape[-2] - reach)
    columns = max(0, grid.shape[-1] - 2 * reach)
    return grid[..., offset[0] : offset[0] + rows, reach + offset[1] : reach + offset[1] + columns]


def _sources(plane: Tensor, offset: Offset, radius: float) -> Tensor:
    """The sources' part of a plane of ``path_maxima`` (its first column is the source column max(0, -dx))."""
    reach = math.ceil(radius) - 1
    rows = max(0, plane.shape[-2] + offset[0] - reach)
    columns = max(0, plane.shape[-1] + abs(offset[1]) - 2 * reach)
    left = reach - max(0, -offset[1])
    return plane[..., :rows, left : left + columns]


def _pair_masks(label: Tensor, offset: Offset, radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (B, rows, columns) bool of pairs: both background, both of one class, of two labels."""
    source = _grid_sources(label, (0, 0), radius)
    destination = _grid_sources(label, offset, radius)
    confident = (source != IGNORE) & (destination != IGNORE)
    same = (source == destination) & confident
    background = same & (source == 0)
    return background, same & (source != 0), confident & (source != destination)
