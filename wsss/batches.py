"""A batch that several processes share: each one's part of it, and batch norm over all of it."""

import torch
from mmengine import dist
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn

from wsss.errors import ConfigError
from wsss.log import logger


def share_of_batch(batch_size: int, *, setting: str) -> int:
    """Images of a step for each process, so that a step does not depend on how many there are.

    Args:
        batch_size: images of a step over all processes.
        setting: the key in the config that says so, for the message.

    Raises:
        ConfigError: it does not divide evenly.
    """
    processes = dist.get_world_size()
    if batch_size % processes:
        raise ConfigError(
            f"expected a batch that {processes} processes can share, got {setting}={batch_size}: "
            f"set a multiple of {processes}, or start another number of processes"
        )
    return batch_size // processes


def share_batch_statistics(network: nn.Module, description: str) -> None:
    """Let batch norm see the whole batch where it is spread over GPUs; on CPUs warn that it does not.

    Nothing happens in one process alone, or where no batch norm is in training mode.

    Args:
        network: changed in place.
        description: of the training, for the warning.
    """
    trains_statistics = any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for module in network.modules()
    )
    if dist.get_world_size() == 1 or not trains_statistics:
        return
    if torch.cuda.is_available():
        # timm's, because torch's would drop the activation that timm puts into its batch norms.
        convert_sync_batchnorm(network)
    else:
        logger.warning(
            "%s: on CPUs batch norm sees each process's share of the batch alone, so results depend on the "
            "number of processes",
            description,
        )
