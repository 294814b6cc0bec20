"""Losses of multi-label Background Activation Suppression (Zhai et al., IJCV 2023)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def multi_label_classification_loss(logit: Tensor, tags: Tensor) -> Tensor:
    """Softmax cross entropy of each present class against the absent ones, summed over the present classes.

    Args:
        logit: (B, C) float.
        tags: (B, C), 1 where the class is present. An image may have no tags (it adds 0) or all of them.

    Returns:
        () float >= 0, the mean over the batch.

    Raises:
        ValueError: the inputs are not both of shape (B, C).

    Source: Zhai et al., IJCV 2023: -log(e^z_i / (e^z_i + sum over absent j of e^z_j)), in the stable form
    softplus(logsumexp(z_absent) - z_i).

    >>> logit = torch.tensor([[2.0, 0.0, -1.0]])
    >>> multi_label_classification_loss(logit, torch.tensor([[1, 0, 0]]))
    tensor(0.1698)
    """
    _expect_same(logit, tags, "(B, C)", 2)
    present = tags > 0
    logit = full_precision(logit)
    absent = logit.masked_fill(present, -torch.inf).logsumexp(dim=1, keepdim=True)
    # With every class present nothing competes: logsumexp is -inf and the loss is softplus(-inf) = 0.
    terms = F.softplus(torch.where(present, absent - logit, torch.full_like(logit, -torch.inf)))
    return terms.sum(dim=1).mean()


def background_suppression_loss(
    whole_logit: Tensor, background_logit: Tensor, *, eps: float = 1e-8
) -> Tensor:
    """Share of the class evidence that survives once the foreground is erased.

    0: the foreground map covers all that the classifier relies on. 1: it covers nothing.

    Args:
        whole_logit: (B,) float. Logit of the drawn class on the whole feature map. A constant: no
            gradient flows into it.
        background_logit: (B,) float. Logit of the same class on features x (1 - map).
        eps: keeps the division finite; in logit units.

    Returns:
        () float in [0, 1], the mean over the batch.

    Raises:
        ValueError: the inputs are not both of shape (B,).

    Source: Zhai et al., IJCV 2023, eq. 3; the clipping at 1 is from section 4.1.

    >>> background_suppression_loss(torch.tensor([4.0, 4.0]), torch.tensor([1.0, 9.0]))
    tensor(0.6250)
    """
    return background_share(whole_logit, background_logit, eps=eps).mean()


def background_share(whole_logit: Tensor, background_logit: Tensor, *, eps: float = 1e-8) -> Tensor:
    """`background_suppression_loss` image by image: (B,) and (B,) to (B,) in [0, 1]."""
    _expect_same(whole_logit, background_logit, "(B,)", 1)
    whole = full_precision(whole_logit).detach().relu()
    rest = full_precision(background_logit).relu()
    # A background that beats the whole image counts as 1 and gives no gradient.
    return torch.where(rest > whole, torch.ones_like(rest), rest / (whole + eps))


def full_precision(values: Tensor) -> Tensor:
    """Half precision to float32.

    In half precision eps would be 0, and a sigmoid exactly 1 and without a gradient from a logit of 6.3 on
    (bfloat16) or 8.4 (float16) in place of 17.4.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _expect_same(first: Tensor, second: Tensor, shape: str, ndim: int) -> None:
    if first.ndim != ndim or first.shape != second.shape:
        raise ValueError(
            f"expected two tensors of shape {shape}, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
