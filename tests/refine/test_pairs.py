"""Pairs, paths and maxima over paths, against counting by hand and a pixel-by-pixel second implementation."""

import pytest
import torch

from refine.pairs import pair_offsets, path_maxima, path_plan, straight_path


def maxima_pixel_by_pixel(edge: torch.Tensor, radius: float) -> dict[tuple[int, int], torch.Tensor]:
    height, width = edge.shape[-2:]
    planes = {}
    for dy, dx in pair_offsets(radius):
        rows, columns, left = max(0, height - dy), max(0, width - abs(dx)), max(0, -dx)
        along = [edge[..., y : y + rows, left + x : left + x + columns] for y, x in straight_path(dy, dx)]
        planes[dy, dx] = (
            torch.stack(along).amax(0)
            if rows and columns
            else edge.new_empty((*edge.shape[:-2], rows, columns))
        )
    return planes


def test_offsets_by_hand():
    # Length below 2: right, lower left, below, lower right.
    assert pair_offsets(2) == ((0, 1), (1, -1), (1, 0), (1, 1))


@pytest.mark.parametrize(("radius", "count"), [(5, 34), (10, 152)])
def test_offset_counts_of_the_authors(radius, count):
    offsets = pair_offsets(radius)
    assert len(offsets) == len(set(offsets)) == count
    assert not any((-dy, -dx) in offsets for dy, dx in offsets)


@pytest.mark.parametrize("radius", [1, 0, -3, float("nan"), float("inf")])
def test_radius_out_of_range(radius):
    with pytest.raises(ValueError, match="expected a finite radius above 1 pixel, got"):
        pair_offsets(radius)


@pytest.mark.parametrize(
    ("offset", "path"),
    [
        pytest.param((0, 2), {(0, 0), (0, 1), (0, 2)}, id="along-a-row"),
        pytest.param((1, 1), {(0, 0), (0, 1), (1, 0), (1, 1)}, id="diagonal-sees-both-corners"),
        # Distances to the line: 1 / sqrt(5) for (0, 1) and (1, 1), 2 / sqrt(5) for (0, 2) and (1, 0).
        pytest.param((1, 2), {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}, id="knight"),
        # Distance of (0, 2) to the line is sqrt(2): off the path.
        pytest.param((2, -2), {(0, 0), (0, -1), (1, 0), (1, -1), (1, -2), (2, -1), (2, -2)}, id="left"),
        pytest.param((0, 0), {(0, 0)}, id="a-pixel"),
    ],
)
def test_path_by_hand(offset, path):
    assert set(straight_path(*offset)) == path


@pytest.mark.parametrize("radius", [1.5, 3, 5, 10])
def test_plan_covers_exactly_the_path(radius):
    for offset, pieces in path_plan(radius):
        covered = {
            (y + piece.shift[0], x + piece.shift[1]) for piece in pieces for y, x in straight_path(*piece.of)
        }
        assert covered == set(straight_path(*offset))


def test_plan_is_short():
    assert sum(len(pieces) - 1 for _, pieces in path_plan(10)) <= 171
    assert sum(len(straight_path(*offset)) - 1 for offset in pair_offsets(10)) == 1982


def test_maxima_by_hand():
    edge = torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.4, 0.5]])
    maxima = path_maxima(edge, 2.1)
    assert list(maxima) == list(pair_offsets(2.1))
    torch.testing.assert_close(maxima[0, 1], torch.tensor([[0.9, 0.9], [0.4, 0.5]]), rtol=0, atol=0)
    torch.testing.assert_close(maxima[0, 2], torch.tensor([[0.9], [0.5]]), rtol=0, atol=0)
    torch.testing.assert_close(maxima[1, 0], torch.tensor([[0.3, 0.9, 0.5]]), rtol=0, atol=0)
    torch.testing.assert_close(maxima[1, -1], torch.tensor([[0.9, 0.9]]), rtol=0, atol=0)
    assert maxima[2, 0].shape == (0, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 2), (9, 14), (13, 11)])
@pytest.mark.parametrize("radius", [3, 5, 10])
def test_maxima_and_gradient_against_pixel_by_pixel(size, radius):
    generator = torch.Generator().manual_seed(3)
    edge = torch.rand(2, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    ours, theirs = path_maxima(edge, radius), maxima_pixel_by_pixel(edge, radius)
    weights = {key: torch.rand(plane.shape, generator=generator).double() for key, plane in ours.items()}
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0)
    gradients = [
        torch.autograd.grad(edge.sum() + sum((planes[key] * weights[key]).sum() for key in planes), edge)[0]
        for planes in (ours, theirs)
    ]
    # Sums of some hundred float64 terms in another order.
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-12)


def test_gradient_of_a_tie_goes_to_one_pixel():
    edge = torch.ones(1, 4, 4, requires_grad=True)
    sum(plane.sum() for plane in path_maxima(edge, 3).values()).backward()
    assert edge.grad.sum() == sum(max(0, 4 - dy) * max(0, 4 - abs(dx)) for dy, dx in pair_offsets(3))


def test_maxima_of_a_vector():
    with pytest.raises(ValueError, match=r"expected an edge of shape \(..., h, w\), got \(3,\)"):
        path_maxima(torch.zeros(3), 5)
