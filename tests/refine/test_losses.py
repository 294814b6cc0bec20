"""IRNet's losses: values by hand, the authors' values, gradients, small grids, error texts."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from refine.losses import EPS, affinity_displacement_loss, affinity_loss, displacement_loss

REFERENCE = Path(__file__).parents[1] / "reference"
NAMES = ("positive", "negative", "displacement_foreground", "displacement_background", "total")


@pytest.mark.parametrize("radius", [5, 10])
def test_authors_values(radius):
    data = np.load(REFERENCE / f"affinity_r{radius}.npz")
    arrays = [torch.from_numpy(data[name]) for name in ("edge_logit", "displacement", "label")]
    terms = affinity_displacement_loss(*arrays, radius=radius)
    assert set(terms) == set(NAMES)
    for name in NAMES:
        # Float32 sums over some 100,000 pairs.
        assert terms[name].item() == pytest.approx(float(data[name]), abs=1e-5), name


def three_pixels(label):
    """A 2x4 grid at radius 2 has two source pixels, in row 0: columns 1 and 2."""
    edge_logit = torch.full((1, 1, 2, 4), -30.0)
    return edge_logit, torch.tensor([label])


def test_affinity_by_hand():
    label = [[255, 1, 1, 2], [255, 255, 255, 255]]
    edge_logit, labels = three_pixels(label)
    edge_logit[0, 0, 0, 2] = 0.0  # edge 1/2 on column 2
    terms = affinity_loss(edge_logit, labels, radius=2)
    # One pair of one class (columns 1, 2), one of two (2, 3), each sees the edge 1/2; none of background.
    one = -math.log(0.5 + 1e-5) / (1 + EPS)
    assert terms["positive"].item() == pytest.approx(one / 2, rel=1e-6)
    assert terms["negative"].item() == pytest.approx(one, rel=1e-6)


def test_affinity_of_background_by_hand():
    edge_logit, labels = three_pixels([[255, 0, 0, 0], [255, 255, 255, 255]])
    edge_logit[0, 0, 0, 3] = math.log(3)  # edge 3/4 on column 3, so affinities 1 and 1/4
    terms = affinity_loss(edge_logit, labels, radius=2)
    expected = -(math.log(1 + 1e-5) + math.log(0.25 + 1e-5)) / (2 + EPS) / 2
    assert terms["positive"].item() == pytest.approx(expected, rel=1e-6)
    assert terms["negative"].item() == 0


def test_displacement_by_hand():
    # Foreground pairs: column 1 -> 2 and 2 -> 3, offset (0, 1). The first differ by (2, 1), which leaves
    # 2 + 0 without the offset; the second are equal, which leaves 0 + 1.
    displacement = torch.zeros(1, 2, 2, 4)
    displacement[0, :, 0, 1] = torch.tensor([2.0, 1.0])
    label = torch.tensor([[[255, 5, 5, 5], [255, 255, 255, 255]]])
    terms = displacement_loss(displacement, label, radius=2)
    assert terms["displacement_foreground"].item() == pytest.approx((2 + 1) / (2 * 2 + EPS))
    assert terms["displacement_background"].item() == 0
    background = displacement_loss(displacement, torch.where(label == 5, 0, label), radius=2)
    assert background["displacement_background"].item() == pytest.approx(3 / (2 * 2 + EPS))


def test_displacement_towards_the_centre_costs_nothing():
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    towards = torch.stack([rows - 6, columns - 8])[None]
    label = torch.full((1, 12, 16), 3)
    right = displacement_loss(-towards, label, radius=4)["displacement_foreground"].item()
    wrong = displacement_loss(towards, label, radius=4)["displacement_foreground"].item()
    assert {right, wrong} == {0.0, max(right, wrong)}
    assert max(right, wrong) > 1


def test_unsure_pixels_have_no_say():
    generator = torch.Generator().manual_seed(0)
    edge_logit, displacement = (torch.randn(1, c, 14, 14, generator=generator) for c in (1, 2))
    label = torch.randint(0, 3, (1, 14, 14), generator=generator)
    label[:, :, 7:] = 255
    leaves = [edge_logit.requires_grad_(), displacement.requires_grad_()]
    affinity_displacement_loss(*leaves, label, radius=3)["total"].backward()
    # Sources are columns 2 to 11; pairs of confident pixels lie in columns up to 6, and so do their paths.
    assert all(leaf.grad[..., 7:].abs().sum() == 0 for leaf in leaves)
    assert all(leaf.grad[..., :7].abs().sum() > 0 for leaf in leaves)


def test_gradient_against_differences():
    generator = torch.Generator().manual_seed(1)
    leaves = [
        torch.randn(1, channels, 5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
        for channels in (1, 2)
    ]
    label = torch.randint(0, 3, (1, 5, 7), generator=generator)

    def total(edge_logit, displacement):
        return affinity_displacement_loss(edge_logit, displacement, label, radius=2.5)["total"]

    # gradcheck's own tolerances for float64; no kink lies within its step of 1e-6 of these numbers.
    assert torch.autograd.gradcheck(total, leaves)


@pytest.mark.parametrize("logit", [-200.0, 0.0, 200.0])
def test_saturated_edges_stay_finite(logit):
    edge_logit = torch.full((2, 1, 8, 8), logit, requires_grad=True)
    displacement = torch.zeros(2, 2, 8, 8, requires_grad=True)
    label = torch.randint(0, 2, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    total = affinity_displacement_loss(edge_logit, displacement, label, radius=3)["total"]
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(edge_logit.grad).all()
    assert torch.isfinite(displacement.grad).all()


def test_half_precision_logits_are_computed_in_float32():
    edge_logit = torch.zeros(1, 1, 8, 8, dtype=torch.bfloat16)
    terms = affinity_displacement_loss(
        edge_logit, edge_logit.expand(1, 2, 8, 8), torch.zeros(1, 8, 8, dtype=torch.uint8), radius=3
    )
    assert terms["positive"].item() == pytest.approx(-math.log(0.5 + 1e-5) / 2, rel=1e-5)


@pytest.mark.parametrize(("size", "radius"), [((1, 1), 5), ((3, 40), 5), ((40, 3), 10), ((4, 8), 5)])
def test_grids_without_sources_give_zero(size, radius):
    edge_logit = torch.zeros(1, 1, *size, requires_grad=True)
    label = torch.zeros(1, *size, dtype=torch.uint8)
    terms = affinity_displacement_loss(edge_logit, torch.zeros(1, 2, *size), label, radius=radius)
    terms["total"].backward()
    assert all(value.item() == 0 for value in terms.values())
    assert edge_logit.grad.abs().sum() == 0


@pytest.mark.parametrize(
    ("edge", "field", "label", "message"),
    [
        (
            (2, 1, 8, 8),
            (2, 2, 8, 8),
            torch.zeros(2, 1, 8, 8, dtype=torch.uint8),
            "expected an integer label of shape",
        ),
        ((2, 1, 8, 8), (2, 2, 8, 8), torch.zeros(2, 8, 8), "expected an integer label of shape"),
        ((2, 2, 8, 8), (2, 2, 8, 8), torch.zeros(2, 8, 8, dtype=torch.uint8), "expected edge_logit of shape"),
        (
            (2, 1, 8, 8),
            (2, 2, 8, 9),
            torch.zeros(2, 8, 8, dtype=torch.uint8),
            "expected displacement of shape",
        ),
    ],
)
def test_shapes_that_do_not_fit(edge, field, label, message):
    with pytest.raises(ValueError, match=message):
        affinity_displacement_loss(torch.zeros(edge), torch.zeros(field), label, radius=3)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_average_to_the_gradient_of_one(monkeypatch, count):
    """Each process sees two images, the first one without any pair of two labels."""
    generator = torch.Generator().manual_seed(0)
    edge = torch.randn(2 * count, 1, 9, 13, generator=generator)
    field = torch.randn(2 * count, 2, 9, 13, generator=generator)
    label = torch.randint(0, 3, (2 * count, 9, 13), generator=generator)
    label[:2] = 1

    def gradients(images):
        leaves = [edge[images].clone().requires_grad_(), field[images].clone().requires_grad_()]
        affinity_displacement_loss(*leaves, label[images], radius=3)["total"].backward()
        return [leaf.grad for leaf in leaves]

    alone = gradients(slice(None))
    monkeypatch.setattr("refine.losses.processes", lambda: count)
    own = []  # counts of each process, in the order of the calls
    shares = [slice(2 * rank, 2 * rank + 2) for rank in range(count)]
    for share in shares:
        counts = []
        monkeypatch.setattr("refine.losses.sum_up", lambda one, counts=counts: counts.append(one) or one)
        gradients(share)
        own.append(counts)
    totals = [sum(one) for one in zip(*own, strict=True)]
    together = []
    for share in shares:
        answers = iter(totals)
        monkeypatch.setattr("refine.losses.sum_up", lambda one, answers=answers: next(answers))
        together.append([one / count for one in gradients(share)])
    for kind, whole in enumerate(alone):
        torch.testing.assert_close(torch.cat([one[kind] for one in together]), whole)
