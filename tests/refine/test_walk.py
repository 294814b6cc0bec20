"""The sparse random walk against the authors' dense one, a dense float64 one of our own, and by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from refine.pairs import pair_offsets, straight_path
from refine.walk import chebyshev_coefficients, pair_affinity, random_walk

REFERENCE = Path(__file__).parents[1] / "reference"


def walk_densely(seed: np.ndarray, edge: np.ndarray, *, radius: float, beta: float, steps: int) -> np.ndarray:
    """Second implementation: the plain power of the dense matrix, float64."""
    transition = densely(edge, radius=radius) ** beta
    transition /= transition.sum(axis=0)
    start = (seed * (1 - edge)).reshape(len(seed), -1)
    return (start @ np.linalg.matrix_power(transition, steps)).reshape(seed.shape)


def densely(edge: np.ndarray, *, radius: float) -> np.ndarray:
    """Affinity of all pairs of pixels by loops over pixels and paths: (h w, h w) float64."""
    height, width = edge.shape
    affinity = np.eye(height * width)
    for y in range(height):
        for x in range(width):
            for dy, dx in pair_offsets(radius):
                if y + dy < height and 0 <= x + dx < width:
                    largest = max(edge[y + py, x + px] for py, px in straight_path(dy, dx))
                    one, other = y * width + x, (y + dy) * width + x + dx
                    affinity[one, other] = affinity[other, one] = 1 - largest
    return affinity


@pytest.mark.parametrize("name", ["walk_20x30x2", "walk_41x33x3"])
def test_authors_values(name):
    data = np.load(REFERENCE / f"{name}.npz")
    walked = random_walk(torch.from_numpy(data["cam"]), torch.from_numpy(data["edge"])).numpy()
    # Ours: float32 in and out, float64 between.
    np.testing.assert_allclose(walked, data["walked"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(walked.argmax(0), data["walked"].argmax(0))


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 64, 256])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 3), (7, 11)])
def test_against_dense(size, steps):
    rng = np.random.default_rng([*size, steps])
    seed, edge = rng.random((2, *size)), rng.random(size)
    ours = random_walk(torch.from_numpy(seed), torch.from_numpy(edge)[None], radius=4, beta=8, steps=steps)
    expected = walk_densely(seed, edge, radius=4, beta=8, steps=steps)
    # The Chebyshev terms left out weigh 1e-9.
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-7)


def test_one_step_by_hand():
    # Two pixels, edges 0 and 1/2, beta 1: affinity 1/2, so each column of T is (1, 1/2) / (3/2).
    seed = torch.tensor([[[1.0, 1.0]]], dtype=torch.float64)
    walked = random_walk(seed, torch.tensor([[[0.0, 0.5]]], dtype=torch.float64), radius=2, beta=1, steps=1)
    # Start: 1 * 1 and 1 * 1/2. Left: (1 + 1/4) / 1.5, right: (1/2 + 1/2) / 1.5.
    torch.testing.assert_close(
        walked, torch.tensor([[[1.25 / 1.5, 1 / 1.5]]], dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_a_closed_edge_is_not_crossed():
    seed, edge = torch.zeros(1, 6, 9), torch.zeros(1, 6, 9)
    seed[:, :, :4] = 1
    edge[:, :, 4] = 1
    walked = random_walk(seed, edge)
    torch.testing.assert_close(walked[:, :, :4], torch.ones(1, 6, 4))  # a constant stays a constant
    assert walked[:, :, 4:].abs().max() < 1e-7


def test_open_ground_keeps_a_constant():
    # T's columns sum to 1, so the row of ones stays as it is; float32 drift would show here.
    walked = random_walk(torch.ones(1, 15, 12), torch.zeros(1, 15, 12))
    torch.testing.assert_close(walked, torch.ones(1, 15, 12), rtol=0, atol=1e-6)


def test_classes_walk_alone():
    generator = torch.Generator().manual_seed(0)
    seed, edge = torch.rand(3, 10, 8, generator=generator), torch.rand(1, 10, 8, generator=generator)
    together = random_walk(seed, edge)
    alone = torch.cat([random_walk(one[None], edge) for one in seed])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-7)
    assert together.dtype == torch.float32
    assert together.min() >= -1e-9


def test_no_classes():
    assert random_walk(torch.zeros(0, 4, 5), torch.zeros(1, 4, 5)).shape == (0, 4, 5)


@pytest.mark.parametrize("size", [(1, 1), (6, 7), (5, 2), (2, 9)])
def test_both_products_are_the_dense_one(size):
    generator = torch.Generator().manual_seed(0)
    edge = torch.rand(size, generator=generator, dtype=torch.float64)
    affinity = pair_affinity(edge, radius=4, beta=3)
    dense = densely(edge.numpy(), radius=4) ** 3
    walkers = torch.rand(3, edge.numel(), generator=generator, dtype=torch.float64)
    expected = walkers.numpy() @ (dense / dense.sum(0))
    # Float64, sums of at most 49 terms.
    np.testing.assert_allclose(affinity.step(walkers), expected, rtol=1e-13)
    np.testing.assert_allclose(affinity._shift_and_add(walkers) / affinity.sums, expected, rtol=1e-13)
    assert len(affinity.offsets) <= 2 * len(pair_offsets(4)) + 1


def test_a_grid_of_a_large_image():
    # 2000 x 2000 pixels at stride 4. Left and right of a closed line nothing mixes.
    seed, edge = torch.zeros(1, 500, 500), torch.full((1, 500, 500), 0.1)
    seed[:, :, :250], edge[:, :, 250] = 1, 1
    walked = random_walk(seed, edge, steps=4)
    torch.testing.assert_close(walked[:, :, :250], torch.full((1, 500, 250), 0.9))
    assert walked[:, :, 250:].abs().max() < 1e-7


@pytest.mark.gpu
def test_the_same_on_a_gpu():
    generator = torch.Generator().manual_seed(0)
    seed, edge = torch.rand(3, 41, 33, generator=generator), torch.rand(1, 41, 33, generator=generator)
    # Float64 on both devices; only the order of the sums differs.
    torch.testing.assert_close(
        random_walk(seed.cuda(), edge.cuda()).cpu(), random_walk(seed, edge), rtol=0, atol=1e-6
    )


def test_chebyshev_by_hand():
    # t^2 = (T_0 + T_2) / 2 and t^3 = (3 T_1 + T_3) / 4.
    assert chebyshev_coefficients(0) == [(0, 1.0)]
    assert chebyshev_coefficients(2) == [(0, 0.5), (2, 0.5)]
    assert chebyshev_coefficients(3) == [(1, 0.75), (3, 0.25)]


@pytest.mark.parametrize("steps", [64, 255, 256, 1024])
def test_chebyshev_sums_to_the_power(steps):
    terms = chebyshev_coefficients(steps)
    assert terms[-1][0] < 0.9 * steps
    for angle in np.linspace(0, math.pi, 13):
        value = sum(weight * math.cos(degree * angle) for degree, weight in terms)
        assert value == pytest.approx(math.cos(angle) ** steps, abs=2e-9)


@pytest.mark.parametrize(
    ("seed", "edge", "options", "message"),
    [
        (torch.zeros(2, 4, 5), torch.zeros(4, 5), {}, r"expected an edge of shape \(1, h, w\), got \(4, 5\)"),
        (torch.zeros(2, 4, 5), torch.zeros(1, 0, 5), {}, r"expected an edge of shape \(1, h, w\)"),
        (torch.zeros(2, 4, 4), torch.zeros(1, 4, 5), {}, r"expected a seed of shape \(K, 4, 5\)"),
        (torch.zeros(4, 5), torch.zeros(1, 4, 5), {}, r"expected a seed of shape \(K, 4, 5\)"),
        (torch.zeros(1, 4, 5), torch.full((1, 4, 5), 1.5), {}, r"expected edges in \[0, 1\], got 1.5 to 1.5"),
        (
            torch.zeros(1, 4, 5),
            torch.full((1, 4, 5), float("nan")),
            {},
            r"expected edges in \[0, 1\], got nan",
        ),
        (
            torch.zeros(1, 4, 5),
            torch.zeros(1, 4, 5),
            {"steps": -1},
            "expected steps >= 0 and beta > 0, got steps -1",
        ),
        (torch.zeros(1, 4, 5), torch.zeros(1, 4, 5), {"beta": 0}, "expected steps >= 0 and beta > 0"),
    ],
)
def test_wrong_inputs(seed, edge, options, message):
    with pytest.raises(ValueError, match=message):
        random_walk(seed, edge, **options)
