"""Pixel pairs within a radius, and the largest edge on the straight path between the two pixels of each.

A pair is a source pixel and a destination ``source + (dy, dx)``, with ``(dy, dx)`` from half a disc, so that
each unordered pair occurs once. Planes of pairs are indexed by source: the plane of ``(dy, dx)`` over an
``(h, w)`` grid has ``h - dy`` rows and ``w - |dx|`` columns, and its first column is the source column
``max(0, -dx)``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Offset = tuple[int, int]


class Piece(NamedTuple):
    """Part of a path: the path of offset ``of``, moved by ``shift``. ``of == (0, 0)`` is a single pixel."""

    of: Offset
    shift: Offset


@functools.lru_cache(maxsize=32)
def pair_offsets(radius: float) -> tuple[Offset, ...]:
    """Offsets from source to destination: the half disc of ``radius`` pixels.

    Args:
        radius: pixels, > 1 for at least one offset. Offsets of length ``radius`` itself are left out.

    Returns:
        (dy, dx) with dy >= 0, and dx > 0 where dy == 0; row by row, from left to right.

    Raises:
        ValueError: the radius is not a finite number above 1.

    Source: Ahn et al., CVPR 2019, section 4.1.
    """
    if not (math.isfinite(radius) and radius > 1):
        raise ValueError(f"expected a finite radius above 1 pixel, got {radius}")
    reach = math.ceil(radius) - 1
    return tuple(
        (dy, dx)
        for dy in range(reach + 1)
        for dx in range(-reach, reach + 1)
        if dy * dy + dx * dx < radius * radius and (dy > 0 or dx > 0)
    )


def straight_path(dy: int, dx: int) -> tuple[Offset, ...]:
    """Pixels on the straight path from (0, 0) to (dy, dx), both ends included.

    Args:
        dy: rows, of either sign.
        dx: columns, of either sign.

    Returns:
        The lattice points of the bounding box less than one pixel away from the line, row by row.
    """
    rows = range(min(0, dy), max(0, dy) + 1)
    columns = range(min(0, dx), max(0, dx) + 1)
    # The squared distance to the line is (dy x - dx y)^2 / (dy^2 + dx^2); in whole numbers nothing is
    # rounded.
    return tuple(
        (y, x) for y in rows for x in columns if (dy * x - dx * y) ** 2 < dy * dy + dx * dx or dy == dx == 0
    )


@functools.lru_cache(maxsize=32)
def path_plan(radius: float) -> tuple[tuple[Offset, tuple[Piece, ...]], ...]:
    """How to get the maximum over each path from the maxima over shorter ones.

    A long path is covered by two or three shorter ones, moved along it; a maximum may see a pixel twice.
    Radius 10 then takes 171 elementwise maxima instead of the 1,982 of path by path and pixel by pixel.

    Args:
        radius: pixels, as in ``pair_offsets``.

    Returns:
        For each offset of the half disc, shortest first, the pieces that cover exactly its path.
    """
    order = sorted(pair_offsets(radius), key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset))
    known: dict[Offset, tuple[Offset, ...]] = {(0, 0): ((0, 0),)}
    plan = []
    for offset in order:
        path = frozenset(straight_path(*offset))
        plan.append((offset, _cover(path, known)))
        known[offset] = tuple(path)
    return tuple(plan)


def _cover(path: frozenset[Offset], known: dict[Offset, tuple[Offset, ...]]) -> tuple[Piece, ...]:
    """Greedy cover of ``path`` by moved paths of ``known``, the largest gain first."""
    moved = {
        Piece(of, (sy, sx)): frozenset((y + sy, x + sx) for y, x in points)
        for of, points in known.items()
        for sy, sx in sorted(path)
    }
    inside = {piece: points for piece, points in moved.items() if points <= path}
    pieces: list[Piece] = []
    left = set(path)
    while left:
        best = max(inside, key=lambda piece: len(inside[piece] & left))
        pieces.append(best)
        left -= inside[best]
    return tuple(pieces)


def path_maxima(edge: Tensor, radius: float) -> dict[Offset, Tensor]:
    """Largest edge on the straight path of every pair inside the grid, both ends included.

    Args:
        edge: (..., h, w) float, any size, also smaller than the radius.
        radius: pixels, as in ``pair_offsets``.

    Returns:
        For each offset (dy, dx) of ``pair_offsets(radius)``, in that order, the plane of its pairs:
        (..., max(0, h - dy), max(0, w - |dx|)). The gradient goes to one of the largest pixels of each path.

    Raises:
        ValueError: ``edge`` has fewer than two dimensions.
    """
    if edge.ndim < 2:
        raise ValueError(f"expected an edge of shape (..., h, w), got {tuple(edge.shape)}")
    planes: Sequence[Tensor] = _PathMaxima.apply(edge, radius)
    by_offset = {offset: plane for (offset, _), plane in zip(path_plan(radius), planes, strict=True)}
    return {offset: by_offset[offset] for offset in pair_offsets(radius)}


def _piece_of(plane: Tensor, piece: Piece, offset: Offset, size: tuple[int, int]) -> Tensor:
    """View of ``plane``, of the pairs ``piece.of``, lined up with the plane of ``offset``."""
    height, width = size[0] - offset[0], size[1] - abs(offset[1])
    top = piece.shift[0]
    left = max(0, -offset[1]) + piece.shift[1] - max(0, -piece.of[1])
    return plane[..., top : top + height, left : left + width]


def _fits(offset: Offset, size: tuple[int, int]) -> bool:
    return size[0] > offset[0] and size[1] > abs(offset[1])


class _PathMaxima(torch.autograd.Function):
    """Planes of path maxima in the order of ``path_plan``.

    Written by hand because autograd would keep both operands and a zero-filled gradient of full size for each
    slice.
    """

    @staticmethod
    def forward(ctx: Any, edge: Tensor, radius: float) -> tuple[Tensor, ...]:
        size = (edge.shape[-2], edge.shape[-1])
        planes: dict[Offset, Tensor] = {(0, 0): edge}
        for offset, pieces in path_plan(radius):
            if not _fits(offset, size):
                shape = (max(0, size[0] - offset[0]), max(0, size[1] - abs(offset[1])))
                planes[offset] = edge.new_empty((*edge.shape[:-2], *shape))
                continue
            views = [_piece_of(planes[piece.of], piece, offset, size) for piece in pieces]
            # The diagonals of a 2x2 block share their path, hence pieces that cover all and a copy.
            largest = views[0].clone()
            for view in views[1:]:
                torch.maximum(largest, view, out=largest)
            planes[offset] = largest
        ctx.radius = radius
        outputs = tuple(planes[offset] for offset, _ in path_plan(radius))
        ctx.save_for_backward(edge, *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        edge, *outputs = ctx.saved_tensors
        size = (edge.shape[-2], edge.shape[-1])
        plan = path_plan(ctx.radius)
        planes = {(0, 0): edge} | {offset: plane for (offset, _), plane in zip(plan, outputs, strict=True)}
        # Clones: a plane collects what longer paths send it, and autograd owns what it handed in.
        sums = {(0, 0): torch.zeros_like(edge)}
        sums |= {offset: gradient.clone() for (offset, _), gradient in zip(plan, gradients, strict=True)}
        for offset, pieces in reversed(plan):
            if not _fits(offset, size):
                continue
            left = sums[offset]
            for piece in pieces[:-1]:
                won = _piece_of(planes[piece.of], piece, offset, size) == planes[offset]
                share = left * won
                _piece_of(sums[piece.of], piece, offset, size).add_(share)
                left = left - share
            _piece_of(sums[pieces[-1].of], pieces[-1], offset, size).add_(left)
        return sums[(0, 0)], None
