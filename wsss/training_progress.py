"""What people see of a training while it runs: a live table or lines in the log, and why it stopped."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from wsss.distributed import sum_up
from wsss.draws import WholeBatches
from wsss.errors import TrainingError
from wsss.log import logger, printable
from wsss.progress import COLUMNS, IN_TABLE, Display, bar, clock, track

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


class LossMeans:
    """Means of the terms of a loss over the steps of a period, and over those of the period before."""

    def __init__(self, first_step: int) -> None:
        self.first = first_step + 1
        self.count = 0
        self.before: tuple[int, int, dict[str, float]] | None = None
        self._sums: dict[str, float] = {}
        self._closed: dict[str, float] | None = None

    @property
    def last(self) -> int:
        """Number of the last step in the period, from 1."""
        return self.first + self.count - 1

    def add(self, terms: Mapping[str, float]) -> None:
        """Take the terms of one step; the first one after `close` begins a period."""
        if self._closed is not None:
            self.before = (self.first, self.last, self._closed)
            self.first, self.count, self._sums, self._closed = self.last + 1, 0, {}, None
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.count += 1

    def means(self) -> dict[str, float]:
        """Mean of each term over the steps of this period so far, of all processes once it is closed."""
        return self._closed or {name: total / self.count for name, total in self._sums.items()}

    def close(self) -> dict[str, float]:
        """End the period; its means over all processes, each of which comes here at the same step."""
        totals = sum_up(torch.tensor([*self._sums.values(), float(self.count)], dtype=torch.float64)).tolist()
        self._closed = {name: total / totals[-1] for name, total in zip(self._sums, totals, strict=False)}
        return self._closed


class TrainingTable(Display):
    """One training as a block of lines: epoch, step, rates, time left, and the means of its losses."""

    def __init__(
        self,
        description: str,
        losses: LossMeans,
        *,
        first_step: int,
        steps: int,
        steps_per_epoch: int,
        images_per_step: int,
    ) -> None:
        """Prepare for a training.

        Args:
            description: its name.
            losses: what its steps add to.
            first_step: steps that were done before.
            steps: of the whole training.
            steps_per_epoch: steps for one pass over the images.
            images_per_step: over all processes.
        """
        super().__init__()
        self.description = description
        self.first_step = first_step
        self.steps = steps
        self.steps_per_epoch = steps_per_epoch
        self.images_per_step = images_per_step
        self.losses = losses
        self.learning_rate: float | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The block as of now, at most as wide as the terminal."""
        from rich.table import Table

        width = min(options.max_width, COLUMNS)
        left = self.pace.left(self.steps - self.first_step)
        step = self.first_step + self.pace.done
        head = Table.grid(padding=(0, 2, 0, 0), expand=True)
        head.width = width
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, justify="right")
        head.add_row(
            printable(self.description),
            bar(step, self.steps),
            f"in {clock(self.pace.seconds)}"
            if self.ended
            else "time left unknown"
            if left is None
            else f"{clock(left)} left",
        )
        yield head
        yield "  " + "   ".join(self._facts(step))
        yield from self._loss_table(width)

    def _facts(self, step: int) -> Iterator[str]:
        epochs = math.ceil(self.steps / self.steps_per_epoch)
        yield f"epoch {min(step // self.steps_per_epoch + 1, epochs)}/{epochs}"
        yield f"step {step}/{self.steps}"
        if self.learning_rate is not None:
            yield f"rate {self.learning_rate:.2e}"
        rate = self.pace.rate()
        if rate is not None:
            yield f"{rate * self.images_per_step:.3g} images/s"

    def _loss_table(self, width: int) -> Generator[Any, None, None]:
        from rich.table import Table

        losses = self.losses
        if not losses.count:
            return
        table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="")
        table.add_column("mean over", no_wrap=True, overflow="ellipsis", max_width=width - 36)
        table.add_column(step_span(losses.first, losses.last), justify="right", no_wrap=True)
        before = losses.before
        if before is not None:
            table.add_column(step_span(before[0], before[1]), justify="right", no_wrap=True)
        for name, mean in losses.means().items():
            past = "" if before is None or name not in before[2] else f"{before[2][name]:.4f}"
            table.add_row(printable(name), f"{mean:.4f}", *([] if before is None else [past]))
        yield table


def step_span(first: int, last: int) -> str:
    """Steps from one number to another, in words."""
    return f"step {first}" if first == last else f"steps {first}-{last}"


class ProgressHook(Hook):
    """Shows how far a training is and the mean losses of each period; stops at a loss that is not finite.

    Whoever runs the training closes it, so that the terminal is free again after an error too.
    """

    # Before the checkpoints, so that losses which are not finite stop the training and none is written.
    priority = "LOW"

    def __init__(self, description: str, steps: int, steps_per_log: int, classes: Sequence[str] = ()) -> None:
        """Prepare for a training.

        Args:
            description: what the lines say.
            steps: of the whole training.
            steps_per_log: steps whose mean losses go into one line of the log.
            classes: names of the C classes, where batches hold their ``tags`` (B, C) or ``label`` maps 1..C.
        """
        self.classes = tuple(classes)
        self.description = description
        self.steps = steps
        self.steps_per_log = steps_per_log
        self._done: Iterator[int] = iter(())
        self._unread: _Unread | None = None

    def before_train(self, runner: Runner) -> None:
        """Start to show the training, where it begins or continues."""
        first = runner.iter
        if first:
            logger.info("%s: continues at step %d of %d", self.description, first, self.steps)
        images = len(runner.train_dataloader.dataset)
        images_per_step = min(runner.train_dataloader.batch_size * runner.world_size, images)
        self._losses = LossMeans(first)
        self._table = TrainingTable(
            self.description,
            self._losses,
            first_step=first,
            steps=self.steps,
            steps_per_epoch=images // images_per_step,
            images_per_step=images_per_step,
        )
        rest = range(first, self.steps)
        self._done = track(rest, self.description, unit="step", display=self._table)
        next(self._done, None)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Count a step, and read the losses of the one before: a GPU that computes is not waited for.

        Raises:
            TrainingError: one of them is not finite.
        """
        self._read(runner)
        step = runner.iter + 1
        self._unread = _Unread.of(outputs or {}, step, batch_idx, data_batch)
        self._table.learning_rate = runner.optim_wrapper.get_lr()["lr"][0]
        if step == self.steps or step % self.steps_per_log == 0:
            self._read(runner)
        if step % self.steps_per_log == 0:
            means = ", ".join(f"{key} {mean:.4f}" for key, mean in self._losses.close().items())
            logger.info(
                "%s: step %d/%d, rate %.2e, %s",
                *(self.description, step, self.steps, self._table.learning_rate, means),
                extra=IN_TABLE,
            )
        next(self._done, None)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Read what is not read yet.

        Raises:
            TrainingError: a loss is not finite, so the weights are worth nothing.
        """
        self._read(runner)

    def close(self) -> None:
        """Leave the terminal to others; does nothing where that is done."""
        if isinstance(self._done, Generator):
            self._done.close()

    def _read(self, runner: Runner) -> None:
        """Take the losses of the step that was not read yet."""
        unread, self._unread = self._unread, None
        if unread is None:
            return
        values = unread.values()
        if not all(math.isfinite(value) for value in values.values()):
            raise self._not_finite(values, runner, unread)
        self._losses.add(values)
        for name, value in values.items():
            runner.message_hub.update_scalar(f"train/{name}", value)

    def _not_finite(self, values: Mapping[str, float], runner: Runner, unread: _Unread) -> TrainingError:
        shown = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
        found = _classes_of_batch(unread.batch, self.classes)
        where = f" on images of {found}" if found else ""
        if names := _images_of_batch(runner, unread.batch, unread.batch_idx):
            where += f" (images {', '.join(names)})"
        return TrainingError(
            f"expected finite losses, got {shown} at step {unread.step} of {self.steps} of "
            f"{self.description}{where}: most often the learning rate is too high (lower "
            "it), half precision overflows (use bf16 or full precision), or the pretrained weights are "
            "damaged"
        )


@HOOKS.register_module()
class RuntimeInfoWithoutLosses(RuntimeInfoHook):
    """mmengine's, without the losses, which it would read at every step; `ProgressHook` hands them on."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Read nothing."""


@dataclasses.dataclass(frozen=True)
class _Unread:
    """The losses of a step on their way to the CPU."""

    names: Sequence[str]
    numbers: torch.Tensor
    arrived: torch.cuda.Event | None
    step: int
    batch_idx: int
    batch: Any

    @classmethod
    def of(cls, terms: Mapping[str, torch.Tensor], step: int, batch_idx: int, batch: Any) -> _Unread:
        """Send 0-dimensional tensors on their way, all in one."""
        if not terms:
            return cls((), torch.empty(0), None, step, batch_idx, batch)
        stacked = torch.stack([value.detach().float() for value in terms.values()])
        numbers = stacked.to("cpu", non_blocking=True)
        arrived = None
        if stacked.is_cuda:
            arrived = torch.cuda.Event()
            arrived.record()
        return cls(tuple(terms), numbers, arrived, step, batch_idx, batch)

    def values(self) -> dict[str, float]:
        """The losses, waited for where they have not arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return dict(zip(self.names, self.numbers.tolist(), strict=True))


def _images_of_batch(runner: Runner, batch: Any, step: int) -> Sequence[str]:
    """Image ids of this process's share of a step, where the data set or its items know them."""
    if isinstance(batch, Mapping) and "data_samples" in batch:
        samples = batch["data_samples"]
        return [str(one.metainfo["image_id"]) for one in samples if "image_id" in one.metainfo]
    loader = runner.train_dataloader
    names = getattr(getattr(loader.dataset, "dataset", None), "image_ids", None)
    if names is None or not isinstance(loader.sampler, WholeBatches):
        return ()
    return [names[index] for index in loader.sampler.indices_of(step, loader.batch_size)]


def _classes_of_batch(batch: Any, classes: Sequence[str]) -> str:
    """Names of the classes in a batch, as far as it shows them."""
    if not classes or not isinstance(batch, dict):
        return ""
    if "tags" in batch:
        found = batch["tags"].detach().cpu().amax(dim=0).nonzero().flatten().tolist()
    elif "label" in batch:
        found = [label - 1 for label in batch["label"].unique().tolist()]
    else:
        return ""
    return ", ".join(classes[index] for index in found if 0 <= index < len(classes))
