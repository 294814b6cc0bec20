"""Random walk of seeds over the pixel grid, stopped by edges."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from refine.pairs import pair_offsets, path_maxima

# Weight of the Chebyshev terms that are left out; they are positive and sum to 1.
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
    """
    _check(seed, edge, beta, steps)
    height, width = edge.shape[-2:]
    # Float64: the column sums of a float32 T are not exactly 1, which 256 steps turn into an error of 2e-4.
    transition = transition_matrix(edge[0].double(), radius=radius, beta=beta)
    start = (seed.double() * (1 - edge.double())).reshape(len(seed), height * width)
    walked = _power(transition, start.t().contiguous(), steps) if len(seed) else start.t()
    return walked.t().reshape(seed.shape).to(seed.dtype)


def transition_matrix(edge: Tensor, *, radius: float, beta: float) -> Tensor:
    """Sparse transposed T: row j holds the weights with which pixel j collects from the pixels around it.

    Args:
        edge: (h, w) float in [0, 1].
        radius: pixels.
        beta: exponent of the affinities.

    Returns:
        (h w, h w) sparse CSR of the edge's dtype, rows sum to 1.

    A compressed-row product was the fastest tried at 94x125 on two cores (256 products, one row,
    float64): 0.16 s against 0.19 s by scipy, 0.36 s by 69 shifted multiply-adds and 1.2 s by unfolding.
    """
    height, width = edge.shape
    index = torch.arange(height * width, device=edge.device).reshape(height, width)
    offsets = pair_offsets(radius)
    # Columns of a row in ascending order: the lower half disc, the pixel itself, the upper half disc.
    weights = edge.new_zeros(2 * len(offsets) + 1, height, width)
    columns = index.new_full(weights.shape, -1)
    weights[len(offsets)] = 1
    columns[len(offsets)] = index
    for number, ((dy, dx), maximum) in enumerate(path_maxima(edge, radius).items(), start=1):
        affinity = (1 - maximum) ** beta
        top, left = slice(0, max(0, height - dy)), slice(max(0, -dx), max(0, width - max(0, dx)))
        bottom, right = slice(dy, height), slice(max(0, dx), max(0, width + min(0, dx)))
        for plane, own, other in (
            (len(offsets) + number, (top, left), (bottom, right)),
            (len(offsets) - number, (bottom, right), (top, left)),
        ):
            weights[(plane, *own)] = affinity
            columns[(plane, *own)] = index[other]
    weights /= weights.sum(0)
    inside = columns >= 0
    counts = inside.sum(0).flatten()
    row_ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    by_row = inside.permute(1, 2, 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        return torch.sparse_csr_tensor(
            row_ends.int(),
            columns.permute(1, 2, 0)[by_row].int(),
            weights.permute(1, 2, 0)[by_row],
            size=(height * width, height * width),
        )


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


def _power(matrix: Tensor, start: Tensor, steps: int) -> Tensor:
    """``matrix``^steps applied to the columns of ``start``, for a matrix with eigenvalues in [-1, 1].

    T is similar to a symmetric matrix and its columns sum to 1, so its eigenvalues are in that range, where
    the Chebyshev recursion T_{n+1} = 2 A T_n - T_{n-1} neither grows nor loses digits.
    """
    coefficients = dict(chebyshev_coefficients(steps))
    before, now = start, start
    result = coefficients.get(0, 0.0) * start
    for degree in range(1, max(coefficients) + 1):
        before, now = now, (matrix @ start if degree == 1 else 2 * (matrix @ now) - before)
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
