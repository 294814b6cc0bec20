"""Training through mmengine's Runner, shared by the stages that train a network of their own."""

import contextlib
import dataclasses
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from wsss.batches import share_batch_statistics, share_of_batch
from wsss.checkpoints import PlainCheckpoint, last_checkpoint
from wsss.distributed import is_main, launcher, main_says, wait
from wsss.draws import DrawsOfStep, PlacedDraws, WholeBatches
from wsss.errors import WsssError
from wsss.live import tensorboard
from wsss.log import logger
from wsss.optim import build_optimizer
from wsss.precision import build_optim_wrapper
from wsss.training_progress import ProgressHook, RuntimeInfoWithoutLosses
from wsss.weights import load_weights, save_weights

FINAL = "network.pth"


class Trainable(Protocol):
    """What `train_network` needs of a network besides being an ``nn.Module``."""

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Scalar terms; ``loss`` is minimized, the others are logged (no ``loss`` in their names)."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained.

    Attributes:
        epochs: passes over the data.
        batch_size: images per step over all processes.
        learning_rate: of parameter groups that set none of their own.
        momentum: of SGD.
        weight_decay: of the optimizer; AdamW takes none from norms and biases.
        poly_power: the rate falls as (1 - step / (poly_length * steps - 1)) ** poly_power, as in mmengine.
        poly_length: 1: the rate falls to 0; more: it ends above that.
        num_workers: processes that load images, for each process that trains.
        amp: "bf16" or "fp16" computes convolutions in half precision; fp16 needs a GPU.
        compile: compile the training step with torch.compile: slow to start, faster after.
        rates: mmengine's settings of another course of the rate than poly, such as
            ``{"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1}`` (in epochs unless ``by_epoch`` is
            False); None: poly.
        optimizer: "sgd", "adam" or "adamw".
        nesterov: SGD's momentum is Nesterov's.
        betas: of Adam and AdamW.
        layer_decay: factor on the rate from one level of the backbone to the one below it.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    poly_power: float = 0.9
    poly_length: float = 1.0
    num_workers: int = 2
    amp: str | None = None
    compile: bool = False
    rates: Mapping[str, Any] | None = None
    optimizer: str = "sgd"
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    layer_decay: float = 1.0

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Schedule":
        """The schedule that a table of settings such as a config's ``train`` describes."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: settings[name] for name in names if name in settings})

    def steps(self, count: int) -> int:
        """Number of steps for ``count`` images; the last, partial batch of an epoch is dropped."""
        return self.epochs * self.steps_per_epoch(count)

    def steps_per_epoch(self, count: int) -> int:
        """Whole batches in ``count`` images, at least one."""
        return max(count // self.batch_size, 1)


# Makes an optimizer of parameter groups, by what the schedule says of rate, momentum and weight decay.
OptimizerBuilder: TypeAlias = Callable[[list[dict[str, Any]], Schedule], torch.optim.Optimizer]


def train_network(
    network: nn.Module,
    dataset: Dataset[dict[str, Tensor]],
    *,
    out_dir: Path,
    schedule: Schedule,
    parameter_groups: Sequence[dict[str, Any]],
    random_seed: int,
    description: str,
    hooks: Sequence[Hook] = (),
    classes: Sequence[str] = (),
    optimizer: OptimizerBuilder = build_optimizer,
) -> None:
    """Train a network in place, or load it where it was trained before.

    An interrupted training continues at the last whole epoch, with the draws that it would have had. The
    trained weights lie in ``out_dir / "network.pth"``.

    Several processes share each batch: length and rates do not depend on their number. Gradients are the mean
    of the processes' own, which is that of the whole batch for losses that are means over images.

    Args:
        network: a `Trainable` module. Ends up on the device that is there, with the same weights in every
            process.
        dataset: map-style data set of dicts of tensors, one image each.
        out_dir: folder for checkpoints; holds nothing else.
        schedule: length and rates.
        parameter_groups: the optimizer's groups: ``params`` and optionally ``lr``, ``weight_decay``.
        random_seed: of initial shuffling, augmentation and the network's own draws.
        description: what the progress lines say.
        hooks: further mmengine hooks.
        classes: names of the classes, for the message of a loss that is not finite.
        optimizer: makes the optimizer of the groups.

    Raises:
        ConfigError: a batch that the processes cannot share, a precision or an optimizer that is not there.
        TrainingError: the loss is no longer finite.
        DataError: an image cannot be read.
    """
    final = out_dir / FINAL
    # Channels last are a fifth faster on CPUs (mobilenetv1_100 at 256 x 256), and tensor cores expect them.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not main_says(final.is_file()):
        count = len(dataset)  # type: ignore[arg-type]
        groups = list(parameter_groups)
        knows_network = optimizer is build_optimizer  # for the levels of its backbone and the names
        built = (
            build_optimizer(groups, schedule, network=network)
            if knows_network
            else optimizer(groups, schedule)
        )
        with _plain_worker_errors(), warnings.catch_warnings():
            # Of several processes mmengine warns that it sets up each of them the way it does.
            warnings.filterwarnings("ignore", module="mmengine")
            steps, steps_per_epoch = schedule.steps(count), schedule.steps_per_epoch(count)
            with contextlib.closing(ProgressHook(description, steps, steps_per_epoch, classes)) as progress:
                _build_runner(
                    network,
                    dataset,
                    out_dir=out_dir,
                    schedule=schedule,
                    random_seed=random_seed,
                    description=description,
                    hooks=[progress, *hooks],
                    optimizer=built,
                ).train()
        if is_main():
            save_weights(network, final)
            for checkpoint in out_dir.glob("epoch_*.pth"):
                checkpoint.unlink()
            (out_dir / "last_checkpoint").unlink(missing_ok=True)
        wait()
        if is_main():
            return
    else:
        logger.info("%s: already trained, weights loaded", description)
    # The saved weights, after a training too: without SyncBN each process has batch statistics of its own.
    network.load_state_dict(load_weights(final, what=f"the weights of '{description}'"))
    network.to(get_device())


def _build_runner(
    network: nn.Module,
    dataset: Dataset[dict[str, Tensor]],
    *,
    out_dir: Path,
    schedule: Schedule,
    optimizer: torch.optim.Optimizer,
    random_seed: int,
    description: str,
    hooks: Sequence[Hook],
) -> Runner:
    """The Runner of a training, ready to train or to continue."""
    checkpoint = last_checkpoint(out_dir)
    count = len(dataset)  # type: ignore[arg-type]
    batch_size = share_of_batch(schedule.batch_size, setting="train.batch_size")
    # Networks freeze their layers in `train()`: it comes before DDP, which exchanges the gradients of all
    # parameters that are not frozen then.
    network.train()
    share_batch_statistics(network, description)
    sampler = {"type": WholeBatches, "shuffle": True, "batch_size": schedule.batch_size}
    return Runner(
        model=_RunnerModel(network, compiled=schedule.compile),
        work_dir=str(out_dir),
        launcher=launcher(),
        cfg={"model_wrapper_cfg": _exchange_of_gradients()},
        train_dataloader={
            "dataset": PlacedDraws(dataset),
            "batch_size": batch_size,
            "sampler": sampler,
            "num_workers": schedule.num_workers,
            "persistent_workers": schedule.num_workers > 0,
            "drop_last": count >= schedule.batch_size,
            "pin_memory": torch.cuda.is_available(),
            "collate_fn": {"type": "default_collate"},
        },
        train_cfg={"by_epoch": True, "max_epochs": schedule.epochs},
        optim_wrapper=build_optim_wrapper(optimizer, schedule.amp),
        param_scheduler=_course_of_rates(schedule, schedule.steps(count)),
        default_hooks={
            "runtime_info": {"type": RuntimeInfoWithoutLosses},
            "checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": True, "max_keep_ckpts": 2},
        },
        custom_hooks=[PlainCheckpoint(), DrawsOfStep(random_seed), *hooks],
        # Each process augments and draws on its own; the order of the images is the main process's.
        randomness={"seed": random_seed, "diff_rank_seed": True},
        resume=checkpoint is not None,
        load_from=None if checkpoint is None else str(checkpoint),
        visualizer=tensorboard(out_dir),
        log_level="ERROR",
        experiment_name=f"{description.replace(' ', '-')}-{uuid.uuid4().hex[:8]}",
    )


def _course_of_rates(schedule: Schedule, steps: int) -> dict[str, Any]:
    """Settings of the parameter scheduler."""
    if schedule.rates is not None:
        return {"by_epoch": True, **schedule.rates}
    return {
        "type": "PolyLR",
        "power": schedule.poly_power,
        "eta_min": 0.0,
        "begin": 0,
        "end": round(steps * schedule.poly_length),
        "by_epoch": False,
    }


def _exchange_of_gradients() -> dict[str, Any]:
    return {
        "type": "MMDistributedDataParallel",
        "device_ids": [torch.cuda.current_device()] if torch.cuda.is_available() else None,
        "broadcast_buffers": False,
        # While the classifier is warmed up, the generators get no gradient.
        "find_unused_parameters": True,
    }


@contextlib.contextmanager
def _plain_worker_errors() -> Iterator[None]:
    """Turn an error of ours in a data loader's worker, which comes as a traceback, back into one line."""
    try:
        yield
    except WsssError as error:
        lines = str(error).strip().splitlines()
        if not lines or not lines[0].startswith("Caught "):
            raise
        raise type(error)(lines[-1].partition(": ")[2]) from None


class _RunnerModel(BaseModel):
    """The face that mmengine's Runner wants of a model."""

    def __init__(self, network: nn.Module, *, compiled: bool) -> None:
        # Out of pinned memory, so that a GPU goes on computing while the next images come.
        super().__init__({"type": BaseDataPreprocessor, "non_blocking": True})
        self.network: Any = network
        # The step alone: inference meets images of many sizes and would compile for each.
        losses: Any = network.training_losses
        self._losses: Any = torch.compile(losses) if compiled else losses

    def forward(self, mode: str = "loss", **batch: Tensor) -> dict[str, Tensor]:
        """Losses of one batch; the Runner calls it with mode "loss" only."""
        if mode != "loss":
            raise ValueError(f"expected mode 'loss', got {mode!r}: inference calls the network itself")
        step = int(MessageHub.get_current_instance().get_info("iter", 0))
        terms: dict[str, Tensor] = self._losses(batch, step=step)
        return terms
