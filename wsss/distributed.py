"""Several processes on one job (torchrun or SLURM): which one is this, and which images are its own."""

import os
from collections.abc import Sequence

import torch
from mmengine import dist


def launcher() -> str:
    """What started this process, as mmengine names it: ``pytorch`` (torchrun), ``slurm`` or ``none``."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return "pytorch"
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ:
        return "slurm"
    return "none"


def join() -> None:
    """Meet the other processes of the job: NCCL on GPUs, gloo on CPUs. Alone, nothing happens."""
    if launcher() != "none" and not dist.is_distributed():
        dist.init_dist(launcher(), backend="nccl" if torch.cuda.is_available() else "gloo")


def is_main() -> bool:
    """Whether this process is the one that publishes and reports."""
    return dist.get_rank() == 0


def shard(items: Sequence[str]) -> list[str]:
    """This process's share of the items: every n-th one, so that all shares are alike."""
    return list(items[dist.get_rank() :: dist.get_world_size()])


def wait() -> None:
    """Go on when all processes are here: what any of them has written is then there for all."""
    dist.barrier()
