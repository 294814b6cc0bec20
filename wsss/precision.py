"""The precision that a training step computes in."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from wsss.errors import ConfigError

AMP = (None, "bf16", "fp16")


def build_optim_wrapper(optimizer: torch.optim.Optimizer, amp: str | None) -> OptimWrapper:
    """Wrap an optimizer for mmengine's Runner.

    Args:
        optimizer: holds the parameters in float32.
        amp: None, "bf16" or "fp16"; fp16 scales the loss and needs a GPU.

    Raises:
        ConfigError: another value, or no GPU for fp16.
    """
    if amp not in AMP:
        raise ConfigError(f"expected None, 'bf16' or 'fp16', got {amp!r} as number format")
    if amp == "bf16":
        return BFloat16OptimWrapper(optimizer=optimizer)
    if amp is None:
        return OptimWrapper(optimizer=optimizer)
    if not torch.cuda.is_available():
        raise ConfigError("expected a GPU for 'fp16', found none: compute in 'bf16' or full precision")
    return AmpOptimWrapper(optimizer=optimizer, dtype="float16", loss_scale="dynamic")


class BFloat16OptimWrapper(OptimWrapper):
    """Forward passes in bfloat16, on CPUs too; its range is that of float32, so no loss is scaled."""

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Around the forward pass of a step."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
