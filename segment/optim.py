"""DeepLab's learning rates: a new head learns faster than the pretrained network below it."""

from collections.abc import Mapping
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from wsss.optim import decay_layers, without_decay_of_norms
from wsss.precision import BFloat16OptimWrapper

OPTIM_WRAPPERS.register_module(module=BFloat16OptimWrapper, force=True)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DeepLabOptimWrapperConstructor:
    """Three groups of parameters: backbone, weights of the head, biases of the head.

    The head is all below ``decode_head`` and ``auxiliary_head``; its biases have no weight decay. Parameters
    without a gradient, such as frozen batch norm, are left out.

    With a ``layer_decay`` the backbone's group is split by level, without ``decay_norms`` each group by what
    is decayed.

    Source: the released DeepLabV2 networks' ``lr_mult`` and ``decay_mult``.
    """

    def __init__(
        self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the settings.

        Args:
            optim_wrapper_cfg: mmengine's ``optim_wrapper`` without its constructor.
            paramwise_cfg: ``head_factor`` (10) and ``head_bias_factor`` (20), multiples of the learning rate;
                ``layer_decay`` (1), the factor from one level of the backbone to the one below it;
                ``decay_norms`` (True), False: norms, biases and tables of positions have no weight decay.
        """
        self.settings = dict(optim_wrapper_cfg)
        self.optimizer = dict(self.settings.pop("optimizer"))
        factors = dict(paramwise_cfg or {})
        self.head_factor = float(factors.pop("head_factor", 10.0))
        self.head_bias_factor = float(factors.pop("head_bias_factor", 20.0))
        self.layer_decay = float(factors.pop("layer_decay", 1.0))
        self.decay_norms = bool(factors.pop("decay_norms", True))
        if factors:
            raise ValueError(
                "expected head_factor and head_bias_factor (or layer_decay, decay_norms) in paramwise_cfg, "
                f"got {sorted(factors)}"
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer of a network and its wrapper."""
        rate = self.optimizer["lr"]
        network = getattr(model, "module", model)
        backbone, weights, biases = [], [], []
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            if not name.startswith(("decode_head.", "auxiliary_head.")):
                backbone.append(parameter)
            elif name.endswith(".bias"):
                biases.append(parameter)
            else:
                weights.append(parameter)
        groups = [
            {"params": backbone},
            {"params": weights, "lr": rate * self.head_factor},
            {"params": biases, "lr": rate * self.head_bias_factor, "weight_decay": 0.0},
        ]
        present: list[dict[str, Any]] = [group for group in groups if group["params"]]
        if self.layer_decay != 1:
            present = decay_layers(present, network, learning_rate=rate, decay=self.layer_decay)
        if not self.decay_norms:
            present = without_decay_of_norms(present, network)
        optimizer = OPTIMIZERS.build({**self.optimizer, "params": present})
        settings = {"type": "OptimWrapper", **self.settings}
        wrapper: OptimWrapper = OPTIM_WRAPPERS.build(settings, default_args={"optimizer": optimizer})
        return wrapper
