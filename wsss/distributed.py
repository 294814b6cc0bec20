"""Several processes on one job (torchrun or SLURM): which one is this, and which images are its own."""

import contextlib
import datetime
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wsss.errors import ConfigError, TrainingError
from wsss.processes import available_cores

if TYPE_CHECKING:
    from torch import Tensor

# How long a process waits for the others: the main process scores up to 80,000 images alone. A short limit is
# not needed to notice failures, since torchrun and srun end all processes when one fails.
_TIMEOUT = datetime.timedelta(hours=24)


def launcher() -> str:
    """What started this process, as mmengine names it: ``pytorch`` (torchrun), ``slurm`` or ``none``."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return "pytorch"
    # Of the tasks of this step. SLURM_NTASKS is set in a batch script too, which is one process however
    # many tasks were asked for.
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return "slurm"
    return "none"


def join() -> None:
    """Meet the other processes of the job: NCCL on GPUs, gloo on CPUs. Alone, nothing happens.

    What the processes tell one another apart from gradients travels between CPUs, so nobody's GPU waits for
    it. mmengine's `init_dist` is not used: it asks for a GPU in any case, and starts the workers that load
    images in a way that cannot pass on what our data sets hold.

    Raises:
        ConfigError: more processes than GPUs on this machine.
    """
    if launcher() == "none" or _are_joined():
        return
    import torch

    # mmengine reads it under any launcher, and SLURM calls it otherwise.
    local = int(os.environ.setdefault("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
    backend = "gloo"
    if torch.cuda.is_available():
        gpus = torch.cuda.device_count()
        if local >= gpus:
            raise ConfigError(
                f"expected at most {gpus} processes on this machine, one per GPU, got at least {local + 1}: "
                "lower GPUS, or the tasks per node"
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    if launcher() == "pytorch":
        torch.distributed.init_process_group(backend, timeout=_TIMEOUT)
    else:
        torch.distributed.init_process_group(
            backend,
            init_method=_slurm_address(),
            rank=int(os.environ["SLURM_PROCID"]),
            world_size=int(os.environ["SLURM_STEP_NUM_TASKS"]),
            timeout=_TIMEOUT,
        )


def exit_together() -> None:
    """End this process with status 0, together with the others of the job. Alone, nothing happens.

    The interpreter's own exit takes down the process group's threads in no order that they bear: now and then
    it aborts ("terminate called without an active exception", torch 2.13 with gloo) when all work is done and
    published. So the process ends without it; call this last.
    """
    if _are_joined():
        wait()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def launch(count: int) -> int:
    """Run this very command again, in several processes under torchrun, and wait for them.

    Args:
        count: number of processes.

    Returns:
        0, or the exit status of the process that failed first, which says why; the others were ended then.

    Raises:
        TrainingError: a signal ended one, which could not say so.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # torchrun's report of a failure would stand below the message of the process that failed, and bury it.
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    # For the processes to be started: torchrun would give each one thread, and gradients that are missing
    # during the warm-up would be warned of as soon as it is over.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(available_cores() // count, 1)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    module = sys.modules["__main__"].__spec__
    command = [sys.argv[0]] if module is None else ["--module", module.name]
    try:
        run(parse_args(["--standalone", f"--nproc-per-node={count}", *command, *sys.argv[1:]]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return int(failure.exitcode)
        name = signal.Signals(-failure.exitcode).name
        memory = " (too little memory is a common cause)" if name == "SIGKILL" else ""
        raise TrainingError(
            f"expected {count} processes to work to the end, {name} ended process {rank}{memory} and the "
            "others were stopped: the same command goes on where it stopped"
        ) from error
    return 0


def is_main() -> bool:
    """Whether this process is the one that publishes and reports."""
    return _rank() == 0


def shard(items: Sequence[str]) -> list[str]:
    """This process's share of the items: every n-th one, so that all shares are alike.

    Give it a list that all processes agree on, and leave out what is done already only afterwards: while one
    looks at the folder, another may be writing into it.
    """
    return list(items[_rank() :: processes()])


def wait() -> None:
    """Go on when all processes are here: what any of them has written is then there for all."""
    if _are_joined():
        import torch

        sum_up(torch.zeros(1))


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Let the main process do something, such as a download, and only then the others."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def main_says(answer: bool) -> bool:
    """The main process's answer, in every process; that of the others does not count."""
    if not _are_joined():
        return answer
    import torch

    told = torch.tensor(int(answer))
    torch.distributed.broadcast(told, 0)
    return bool(told)


def sum_up(values: "Tensor") -> "Tensor":
    """Sum of the processes' tensors, the same in every process.

    Args:
        values: any shape, on the CPU; the same shape and type in each process.

    Returns:
        A new tensor like it; alone, its copy.
    """
    total = values.clone()
    if _are_joined():
        import torch

        torch.distributed.all_reduce(total)
    return total


def _are_joined() -> bool:
    """Whether this process has met others; where nobody imported torch it has not, and need not now."""
    if "torch" not in sys.modules:
        return False
    from mmengine import dist

    return bool(dist.is_distributed())


def _rank() -> int:
    if not _are_joined():
        return 0
    from mmengine import dist

    return int(dist.get_rank())


def processes() -> int:
    """Number of processes of this job."""
    if not _are_joined():
        return 1
    from mmengine import dist

    return int(dist.get_world_size())


def _slurm_address() -> str:
    """Where the processes of a SLURM step meet: the first of its nodes, a port of the job's own."""
    host = os.environ.get("MASTER_ADDR")
    if host is None:
        nodes = os.environ["SLURM_STEP_NODELIST"]
        found = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
        )
        host = found.stdout.split()[0]
    port = os.environ.get("MASTER_PORT") or str(20000 + int(os.environ["SLURM_JOB_ID"]) % 10000)
    return f"tcp://{host}:{port}"
