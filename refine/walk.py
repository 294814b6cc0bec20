"""Random walk of seeds over the pixel grid, stopped by edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from scipy.sparse import dia_array
from torch import Tensor

from refine.pairs import path_maxima

# T^steps is a sum of Chebyshev polynomials of T whose weights are positive and sum to 1. The terms of the
# highest degrees are left out; their weights sum to less than this.
_TAIL = 1e-9


def random_walk(
    seed: Tensor, edge: Tensor, *, radius: float = 5, beta: float = 10, steps: int = 256
) -> Tensor:
    """Let every seed walk: x T^steps with x = seed (1 - edge), T = affinity^beta with columns of sum 1.

    Args:
        seed: (K, h, w) float, >= 0, any K and any size.
        edge: (1, h, w) float in [0, 1].
        radius: pixels of this grid; pairs further apart have no affinity.
        beta: exponent of the affinities; the larger, the more a weak edge stops.
        steps: number of steps, >= 0.

    Returns:
        (K, h, w) of the seed's dtype, on its device.

    Raises:
        ValueError: shapes that do not belong together, or numbers out of range.

    Source: Ahn et al., CVPR 2019, eq. 3 and section 5. They raise the dense T to its 256th power; this
    applies sparse polynomials in T to the few rows of x, which is the same up to 1e-7 and linear in the
    number of pixels.

    An edge in the middle of five pixels keeps the seed of the first one on its side.

    >>> seed = torch.tensor([[[1.0, 0, 0, 0, 0]]])
    >>> edge = torch.tensor([[[0, 0, 1.0, 0, 0]]])
    >>> random_walk(seed, edge)
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000, 0.0000]]])
    """
    _check(seed, edge, beta, steps)
    # Float64: the column sums of a float32 T are not exactly 1, which 256 steps turn into an error of 2e-4.
    affinity = pair_affinity(edge[0], radius=radius, beta=beta)
    start = (seed.double() * (1 - edge.double())).flatten(1)
    return _power(affinity, start, steps).reshape(seed.shape).to(seed.dtype)


@dataclasses.dataclass(frozen=True)
class PairAffinity:
    """Affinity of all pixel pairs, by diagonals of the symmetric matrix over pixels in reading order.

    Attributes:
        offsets: distance of the two pixels of a pair in reading order, of either sign; 0 is the pixel itself.
        planes: (len(offsets), n) float64; entry [d, j] is the affinity of pixels j - offsets[d] and j.
        sums: (n,) float64, the column sums, by which T divides.
    """

    offsets: tuple[int, ...]
    planes: Tensor
    sums: Tensor

    def step(self, walkers: Tensor) -> Tensor:
        """One step, x T, for the rows x of ``walkers`` (K, n) float64."""
        product = self._shift_and_add(walkers) if walkers.is_cuda else self._by_scipy(walkers)
        return product / self.sums

    def _by_scipy(self, walkers: Tensor) -> Tensor:
        """Product with scipy's diagonal format, class by class.

        The fastest of what we have, in ms for one product at 94x125 on two cores, one class / three
        classes: this .24 / .73, scipy's compressed rows .47 / 1.8, three classes at once 3.3,
        `_shift_and_add` .75 / 14, torch's compressed rows 8.8 / 26. It reads no index tables, and unlike
        torch it starts no threads, which lose more than they gain on a product of this size.
        """
        count = walkers.shape[1]
        matrix = dia_array((self.planes.numpy(), self.offsets), shape=(count, count))
        rows = walkers.numpy()
        return torch.from_numpy(np.stack([matrix @ row for row in rows]) if len(rows) else rows)

    def _shift_and_add(self, walkers: Tensor) -> Tensor:
        """The same product on any device."""
        count = walkers.shape[1]
        product = torch.zeros_like(walkers)
        for offset, plane in zip(self.offsets, self.planes, strict=True):
            first, end = max(0, offset), min(count, count + offset)
            product[:, first:end].addcmul_(plane[first:end], walkers[:, first - offset : end - offset])
        return product


def pair_affinity(edge: Tensor, *, radius: float, beta: float) -> PairAffinity:
    """Affinity to the power of beta of every pair of pixels within a radius, and 1 of a pixel with itself.

    Args:
        edge: (h, w) float in [0, 1].
        radius: pixels.
        beta: exponent of the affinities.

    Returns:
        The pairs, on the edge's device. Memory: 8 bytes a pixel and offset (552 at radius 5).
    """
    height, width = edge.shape
    maxima = path_maxima(edge, radius)
    reading = {dy * width + dx for dy, dx in maxima if dy < height and abs(dx) < width}
    offsets = tuple(sorted({0} | reading | {-distance for distance in reading}))
    row = {offset: number for number, offset in enumerate(offsets)}
    planes = edge.new_zeros(len(offsets), height, width, dtype=torch.float64)
    planes[row[0]] = 1
    for (dy, dx), maximum in maxima.items():
        if not maximum.numel():
            continue
        affinity = (1 - maximum.double()) ** beta
        distance = dy * width + dx
        source = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        destination = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
        # Added, because on a narrow grid two offsets share a distance; their pairs never share a pixel there.
        planes[(row[distance], *destination)] += affinity
        planes[(row[-distance], *source)] += affinity
    flat = planes.flatten(1)
    return PairAffinity(offsets, flat, flat.sum(0))


def chebyshev_coefficients(steps: int, *, tail: float = _TAIL) -> list[tuple[int, float]]:
    """Write t^steps as a sum of Chebyshev polynomials: (degree, coefficient), degrees ascending.

    The coefficients are those of a coin tossed ``steps`` times, 2^(1 - steps) binomial(steps, n) with
    n = (steps - degree) / 2, so all beyond degree sqrt(2 steps log(2 / tail)) are next to nothing: 256 steps
    take 96 products.

    Args:
        steps: exponent, >= 0.
        tail: sum of the coefficients that may be left out at the end.

    Returns:
        Pairs whose coefficients sum to 1 - tail or more.
    """
    terms: list[tuple[int, float]] = []
    total = 0
    for degree in range(steps % 2, steps + 1, 2):
        ways = math.comb(steps, (steps - degree) // 2) * (1 if degree == 0 else 2)
        total += ways
        terms.append((degree, ways / 2**steps))
        # In whole numbers: 1 - a sum of floats would never see the tail.
        if (2**steps - total) / 2**steps <= tail:
            break
    return terms


def _power(affinity: PairAffinity, start: Tensor, steps: int) -> Tensor:
    """``steps`` steps of the rows of ``start`` (K, n).

    T is similar to a symmetric matrix and its columns sum to 1, so its eigenvalues lie in [-1, 1], where the
    Chebyshev recursion T_{n+1} = 2 A T_n - T_{n-1} neither grows nor loses digits.
    """
    coefficients = dict(chebyshev_coefficients(steps))
    before, now = start, start
    result = coefficients.get(0, 0.0) * start
    for degree in range(1, max(coefficients) + 1):
        before, now = now, (affinity.step(start) if degree == 1 else 2 * affinity.step(now) - before)
        if degree in coefficients:
            result = result + coefficients[degree] * now
    return result


def _check(seed: Tensor, edge: Tensor, beta: float, steps: int) -> None:
    if edge.ndim != 3 or edge.shape[0] != 1 or not edge.numel():
        raise ValueError(f"expected an edge of shape (1, h, w), got {tuple(edge.shape)}")
    if seed.ndim != 3 or seed.shape[1:] != edge.shape[1:]:
        raise ValueError(
            f"expected a seed of shape (K, {edge.shape[1]}, {edge.shape[2]}) for an edge of shape "
            f"{tuple(edge.shape)}, got {tuple(seed.shape)}"
        )
    if not (float(edge.min()) >= 0 and float(edge.max()) <= 1):
        raise ValueError(
            f"expected edges in [0, 1], got {float(edge.min()):.3g} to {float(edge.max()):.3g}: "
            "pass them through a sigmoid"
        )
    if steps < 0 or not beta > 0:
        raise ValueError(f"expected steps >= 0 and beta > 0, got steps {steps} and beta {beta}")
