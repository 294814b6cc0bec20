"""Optimizers: SGD, Adam or AdamW, lower rates for lower levels, norms and biases without decay."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from wsss.backbones.cut import Backbone
from wsss.errors import ConfigError

OPTIMIZERS = ("sgd", "adam", "adamw")
# Tables of positions: they have two and more dimensions, but decay would pull them to one value like biases.
_TABLES = ("pos_embed", "relative_position_bias_table")


class OptimizerSettings(Protocol):
    """What `build_optimizer` reads; a `wsss.training.Schedule` has all of it."""

    @property
    def optimizer(self) -> str:
        """One of `OPTIMIZERS`."""

    @property
    def learning_rate(self) -> float:
        """Of parameter groups that set none of their own."""

    @property
    def weight_decay(self) -> float:
        """The same."""

    @property
    def momentum(self) -> float:
        """Of SGD."""

    @property
    def nesterov(self) -> bool:
        """Whether SGD's momentum is Nesterov's."""

    @property
    def betas(self) -> tuple[float, float]:
        """Of Adam and AdamW: how much a step keeps of the running means of gradients and of squares."""

    @property
    def layer_decay(self) -> float:
        """Factor on the rate from one level of the backbone to the one below it; 1: all have one rate."""


def build_optimizer(
    groups: Sequence[Mapping[str, Any]], settings: OptimizerSettings, *, network: nn.Module | None = None
) -> torch.optim.Optimizer:
    """Make the optimizer of parameter groups.

    AdamW decays no norms, biases and tables of positions, as the networks that it suits were trained. SGD
    and Adam decay what the groups say; Adam adds the decay to the gradient.

    Args:
        groups: ``params``, and optionally ``lr``, ``weight_decay`` and what else the optimizer knows.
        settings: for all groups that do not say otherwise.
        network: holds the parameters; needed for a ``layer_decay`` other than 1.

    Raises:
        ConfigError: an unknown optimizer, or a ``layer_decay`` for a network without a `Backbone`.
    """
    own = [dict(group) for group in groups]
    if settings.layer_decay != 1:
        own = decay_layers(own, network, learning_rate=settings.learning_rate, decay=settings.layer_decay)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            own,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.nesterov,
        )
    if settings.optimizer == "adam":
        return torch.optim.Adam(
            own, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
        )
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            without_decay_of_norms(own, network),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
    raise ConfigError(
        f"expected optimizer {', '.join(map(repr, OPTIMIZERS))}, got {settings.optimizer!r}: choose one"
    )


def decay_layers(
    groups: Sequence[Mapping[str, Any]], network: nn.Module | None, *, learning_rate: float, decay: float
) -> list[dict[str, Any]]:
    """Lower the rates of the lower levels of a backbone.

    The last level keeps its group's rate, as does what lies outside of the backbone; each level below has
    ``decay`` times the rate of the one above it. A level of a plain transformer is a quarter of its blocks: a
    decay of d for each of 12 blocks is one of about d ** 3 here.

    Args:
        groups: ``params`` and optionally ``lr`` and more.
        network: holds a `Backbone`.
        learning_rate: of groups without a rate.
        decay: factor from one level to the one below it, above 0 and at most 1.

    Returns:
        Each group in parts, one for each distance from the last level that occurs in it, the nearest first.

    Raises:
        ConfigError: ``decay`` is out of range, or there is no backbone.

    Source: Bao et al., BEiT, ICLR 2022, and Clark et al., ELECTRA, ICLR 2020, who do so block by block.
    """
    if not 0 < decay <= 1:
        raise ConfigError(f"expected layer_decay above 0 and at most 1, got {decay}: correct 'layer_decay'")
    distances = _distances(network)
    if not distances:
        raise ConfigError(
            f"expected one of the project's backbones for layer_decay={decay}, got a network without: set it "
            "to 1"
        )
    parts = []
    for group in groups:
        rate = group.get("lr", learning_rate)
        found = [distances.get(id(parameter), 0) for parameter in group["params"]]
        for distance in sorted(set(found)):
            chosen = [one for one, far in zip(group["params"], found, strict=True) if far == distance]
            parts.append({**group, "params": chosen, "lr": rate * decay**distance})
    return parts


def without_decay_of_norms(
    groups: Sequence[Mapping[str, Any]], network: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Take the weight decay from norms, biases and tables of positions.

    Args:
        groups: ``params`` and more.
        network: holds the parameters and knows their names; without it tables of positions are decayed.

    Returns:
        Each group in up to two parts: the decayed parameters, then those of one dimension and the tables.
    """
    named = () if network is None else network.named_parameters()
    tables = {id(parameter) for name, parameter in named if name.endswith(_TABLES)}
    parts = []
    for group in groups:
        plain = [one for one in group["params"] if one.ndim <= 1 or id(one) in tables]
        chosen = {id(one) for one in plain}
        decayed = [one for one in group["params"] if id(one) not in chosen]
        parts += [{**group, "params": decayed}] if decayed else []
        parts += [{**group, "params": plain, "weight_decay": 0.0}] if plain else []
    return parts


def _distances(network: nn.Module | None) -> dict[int, int]:
    """Distance of each parameter of a backbone from its last level, by the parameter's id."""
    backbones = [] if network is None else [one for one in network.modules() if isinstance(one, Backbone)]
    return {
        id(parameter): len(backbone.levels) - 1 - index
        for backbone in backbones
        for index, level in enumerate(backbone.levels)
        for parameter in level.parameters()
    }
