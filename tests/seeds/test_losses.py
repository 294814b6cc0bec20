"""Losses of stage one, worked by hand."""

import math

import pytest
import torch

from seeds.losses import background_suppression_loss, multi_label_classification_loss


@pytest.mark.parametrize(
    ("whole", "rest", "expected"),
    [
        pytest.param([2.0], [0.0], 0.0, id="foreground-covers-all"),
        pytest.param([2.0], [1.0], 0.5, id="half-survives"),
        pytest.param([2.0], [5.0], 1.0, id="background-wins"),
        pytest.param([2.0, 2.0], [0.0, 1.0], 0.25, id="mean-over-batch"),
        pytest.param([-1.0], [0.5], 1.0, id="no-evidence-but-background"),
        pytest.param([-1.0], [-2.0], 0.0, id="no-evidence-at-all"),
    ],
)
def test_background_suppression_by_hand(whole, rest, expected):
    loss = background_suppression_loss(torch.tensor(whole), torch.tensor(rest))
    assert loss.item() == pytest.approx(expected, abs=1e-6)  # eps in the division


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_divides_nothing_by_nothing(dtype):
    """eps is 0 in float16; 0 / 0 would be no number, and its gradient neither."""
    rest = torch.tensor([-2.0, 0.5], dtype=dtype, requires_grad=True)
    loss = background_suppression_loss(torch.tensor([-1.0, 1.0], dtype=dtype), rest)
    assert loss.item() == pytest.approx(0.25, abs=1e-6)
    loss.backward()
    assert rest.grad.tolist() == [0.0, 0.5]


def test_background_suppression_gradient():
    whole = torch.tensor([4.0, 1.0], requires_grad=True)
    rest = torch.tensor([2.0, 3.0], requires_grad=True)
    background_suppression_loss(whole, rest).backward()
    assert whole.grad is None
    # (1/2) * (1/4) where the share is below 1, nothing where the background wins
    torch.testing.assert_close(rest.grad, torch.tensor([0.125, 0.0]))


def test_background_suppression_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected two tensors of shape \(B,\), got \(2,\) and \(3,\)"):
        background_suppression_loss(torch.zeros(2), torch.zeros(3))


@pytest.mark.parametrize(
    ("logit", "tags", "expected"),
    [
        pytest.param([[0.0, 0.0]], [[1, 0]], math.log(2), id="one-of-two"),
        pytest.param([[0.0, 0.0, 0.0]], [[1, 1, 0]], 2 * math.log(2), id="present-do-not-compete"),
        pytest.param([[1.0, 0.0, 0.0]], [[1, 0, 0]], math.log(1 + 2 / math.e), id="two-absent"),
        pytest.param([[3.0, -2.0]], [[1, 1]], 0.0, id="all-present"),
        pytest.param([[3.0, -2.0]], [[0, 0]], 0.0, id="none-present"),
        pytest.param([[0.0, 0.0], [3.0, 1.0]], [[1, 0], [1, 1]], math.log(2) / 2, id="mean-over-images"),
        pytest.param([[-500.0, 500.0]], [[1, 0]], 1000.0, id="no-overflow"),
    ],
)
def test_multi_label_classification_by_hand(logit, tags, expected):
    loss = multi_label_classification_loss(torch.tensor(logit), torch.tensor(tags))
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("tags", [[1, 0, 1], [1, 1, 1], [0, 0, 0]])
def test_multi_label_classification_gradient_is_finite(tags):
    logit = torch.tensor([[0.3, -0.2, 2.0]], requires_grad=True)
    multi_label_classification_loss(logit, torch.tensor([tags])).backward()
    assert torch.isfinite(logit.grad).all()


def test_one_tag_is_plain_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logit, label = torch.randn(8, 5, generator=generator), torch.randint(5, (8,), generator=generator)
    ours = multi_label_classification_loss(logit, torch.nn.functional.one_hot(label, 5))
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logit, label))


def test_multi_label_classification_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"shape \(B, C\), got \(1, 2\) and \(2,\)"):
        multi_label_classification_loss(torch.zeros(1, 2), torch.zeros(2))
