"""The jobs of a grid: each a process of its own, planned before the first one starts."""

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wsss.artifacts import write_json
from wsss.cli.grid import Entry, Grid, is_localization, named_options
from wsss.cli.plan import Request, make_plan
from wsss.cli.stages import STAGES, load_stage
from wsss.config import Settings, load_dataset_settings, load_settings, options_of
from wsss.datasets.made import NotMadeError
from wsss.errors import ConfigError, WsssError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT
from wsss.processes import available_cores
from wsss.stage import Input, Step

LOGS = "logs"
_BOX_THRESHOLD = "0.5"


@dataclasses.dataclass(frozen=True)
class Job:
    """One process.

    Attributes:
        makes: the folder that it publishes, or the file that it writes.
        arguments: of the command ``wsss``.
        needs: what other jobs of its cell make and it reads.
        step: the plan of a stage; None for scores of boxes, and where its data would have to be made first.
        refused: why the plan says that it cannot work.
    """

    makes: Path
    arguments: tuple[str, ...] = ()
    needs: tuple[Path, ...] = ()
    step: Step | None = None
    refused: str = ""

    @property
    def log(self) -> Path:
        """File that the process writes to."""
        return self.makes.parent / LOGS / f"{self.makes.name}.log"


@dataclasses.dataclass(frozen=True)
class Cell:
    """All that follows from one training of seeds: a data set, a method and a random seed.

    Attributes:
        dataset: name of the preset.
        method: name on the axis of seed methods.
        random_seed: of all stages.
        jobs: in the order in which they run.
        rows: name of the refine method, "" for seeds alone -> what the jobs of this row of the table make.
        options: overrides -> why no stage knows them; None where one does.
    """

    dataset: str
    method: str
    random_seed: int
    jobs: tuple[Job, ...]
    rows: Mapping[str, tuple[Path, ...]]
    options: Mapping[str, str | None]


def plan_grid(grid: Grid, out: Path) -> list[Cell]:
    """Plan every job; one that cannot work says so in ``refused``, and nothing is made.

    Args:
        grid: what was asked for.
        out: folder of all artifacts: ``out/DATASET/KIND-METHOD-SEED[-REFINE]``.

    Raises:
        ConfigError: a data set that there is no preset for, or an override that no job knows.
    """
    cells = [
        _Planner(grid, dataset, method, random_seed, out / dataset.name).cell()
        for dataset in grid.datasets
        for method in grid.methods
        for random_seed in grid.random_seeds
    ]
    for option in dict.fromkeys(one for cell in cells for one in cell.options):
        answers = [cell.options[option] for cell in cells if option in cell.options]
        message = answers[0]
        if message is not None and None not in answers:
            raise ConfigError(message.replace("--cfg-options", f"the grid's options ({option})"))
    return cells


class _Planner:
    """Plans the jobs of one cell, one after the other."""

    def __init__(self, grid: Grid, dataset: Entry, method: Entry, random_seed: int, folder: Path) -> None:
        self.grid, self.dataset, self.method = grid, dataset, method
        self.random_seed, self.folder = random_seed, folder
        self.name = f"{method.name}-{random_seed}"
        self.shared = (
            *grid.options,
            *dataset.options,
            f"random_seed={random_seed}",
            *named_options("seeds", method.options),
        )
        self.options: dict[str, str | None] = {}

    def cell(self) -> Cell:
        seeds = self._stage("seeds", self.method, self.name, {}, self.shared)
        jobs, rows = [seeds], dict[str, tuple[Path, ...]]()
        has_boxes = is_localization(self.dataset.name)
        if has_boxes:
            jobs.append(self._boxes(seeds))
        if has_boxes or not self.grid.refine:
            rows[""] = tuple(one.makes for one in jobs)
        for refine in () if has_boxes else self.grid.refine:
            name = f"{self.name}-{refine.name}"
            options = (*self.shared, *named_options("refine", refine.options))
            masks = self._stage("refine", refine, name, {"seeds": seeds}, options)
            given = {"masks": masks, "seeds": seeds}
            network = self._stage("segment", Entry(""), name, given, options)
            jobs += [masks, network]
            rows[refine.name] = (seeds.makes, masks.makes, network.makes)
        return Cell(self.dataset.name, self.method.name, self.random_seed, tuple(jobs), rows, self.options)

    def _stage(
        self, stage: str, entry: Entry, variant: str, given: Mapping[str, Job], options: tuple[str, ...]
    ) -> Job:
        writes = load_stage(stage).writes
        job = Job(self.folder / f"{writes}-{variant}")
        try:
            settings = self._settings(stage, entry, options)
            read = {
                kind: one for kind, one in given.items() if kind in load_stage(stage).reads(settings.config)
            }
            job = dataclasses.replace(
                job,
                needs=tuple(one.makes for one in read.values()),
                arguments=self._arguments(stage, entry, variant, read, settings),
            )
            blocked = next((one.refused for one in read.values() if one.refused), "")
            if blocked:
                return dataclasses.replace(job, refused=blocked)
            if any(one.step is None for one in read.values()):
                return job
            (step,) = make_plan(
                Request(
                    stage,
                    self.dataset.name,
                    self.folder,
                    config=settings.file,
                    options=settings.options,
                    planned={kind: _as_input(kind, one.step) for kind, one in read.items()},
                    variant=variant,
                )
            )
        except NotMadeError:
            return job
        except WsssError as error:
            text = str(error)
            return dataclasses.replace(job, refused=text if text.startswith(stage) else f"{stage}: {text}")
        return dataclasses.replace(job, step=step)

    def _settings(self, stage: str, entry: Entry, options: tuple[str, ...]) -> Settings:
        file = entry.config_file(stage, self.dataset.name, self.grid.folder)
        own = options_of(stage, options, tuple(STAGES))
        settings = load_settings(load_stage(stage), self.dataset.name, path=file, options=own)
        wanted = load_dataset_settings(self.dataset.name)["name"]
        if settings.config.dataset.name != wanted:
            raise ConfigError(
                f"expected a config for the data set {wanted}, got one for {settings.config.dataset.name} at "
                f"{file}: name another, {{dataset}} in its name stands for the data set"
            )
        for option in options:
            first, dot, rest = option.partition(".")
            is_named = bool(dot) and first in STAGES
            if is_named and first != stage:
                continue
            message = settings.unused.get(rest if is_named else option)
            if message is None or option not in self.options:
                self.options[option] = message
        return settings

    def _arguments(
        self, stage: str, entry: Entry, variant: str, read: Mapping[str, Job], settings: Settings
    ) -> tuple[str, ...]:
        config = ["--config", str(settings.file)] if entry.config else []
        inputs = [word for kind, one in read.items() for word in (f"--{kind}", str(one.makes))]
        options = [word for one in settings.options for word in ("--cfg-options", one)]
        where = ["--work-dir", str(self.folder), "--variant", variant]
        return ("run", stage, self.dataset.name, *where, *config, *inputs, *options)

    def _boxes(self, seeds: Job) -> Job:
        own = [one for one in (*self.grid.options, *self.dataset.options) if one.startswith("dataset.")]
        options = [word for one in own for word in ("--cfg-options", one)]
        where = (str(seeds.makes), self.dataset.name)
        # One for all methods; those of their presets are about other things, such as an mIoU.
        arguments = ("evaluate boxes", *where, "--threshold", _BOX_THRESHOLD, "--json", *options)
        return Job(
            self.folder / f"boxes-{self.name}.json",
            (*arguments[0].split(), *arguments[1:]),
            (seeds.makes,),
            refused=seeds.refused,
        )


def _as_input(kind: str, step: Step | None) -> Input:
    assert step is not None  # jobs without one are refused before
    return dataclasses.replace(step.as_input(), name=kind)


def is_done(job: Job, cell: Cell) -> bool:
    """Whether what a job makes is there already, from the inputs and settings of today."""
    if job.step is not None:
        return job.step.action == "skip"
    seeds = cell.jobs[0].step
    with contextlib.suppress(OSError, ValueError):
        key = json.loads(job.makes.read_text())["key"]
        return seeds is not None and seeds.action == "skip" and bool(key == seeds.state["key"])
    return False


class Runner:
    """Runs the jobs of all cells; a cell whose job fails goes on with what does not need it.

    Attributes:
        failures: what a job should have made -> why it did not, in one line.
    """

    def __init__(self, cells: Sequence[Cell], *, at_a_time: int = 1) -> None:
        """Find the devices.

        Args:
            cells: what to run.
            at_a_time: number of processes; each has a GPU of its own where there are any.

        Raises:
            ConfigError: more processes than GPUs.
        """
        self.cells, self.at_a_time = cells, at_a_time
        self.failures: dict[Path, str] = {}
        self._devices: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
        for environment in environments(at_a_time):
            self._devices.put(environment)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_stopped = False

    def run(self, after_each: Callable[[], None]) -> None:
        """Run everything; ``after_each`` is called when a cell is finished, by one thread at a time."""
        with ThreadPoolExecutor(self.at_a_time) as pool:
            try:
                for _ in pool.map(lambda cell: self._run_cell(cell, after_each), self.cells):
                    pass
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.terminate()

    def _run_cell(self, cell: Cell, after_each: Callable[[], None]) -> None:
        environment = self._devices.get()
        try:
            for job in cell.jobs:
                if self._is_stopped:
                    return
                reason = next((self.failures[one] for one in job.needs if one in self.failures), job.refused)
                if not reason and not is_done(job, cell):
                    reason = self._run_job(job, cell, environment)
                if reason:
                    self.failures[job.makes] = reason
        finally:
            self._devices.put(environment)
        with self._lock:
            after_each()

    def _run_job(self, job: Job, cell: Cell, environment: Mapping[str, str]) -> str:
        """Run one process; gives the reason if it fails, else nothing."""
        logger.info("%s: %s starts, log in %s", cell.dataset, job.makes.name, job.log)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        command = [sys.executable, "-m", "wsss.cli", *job.arguments]
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if job.step is None else log,
                stderr=log,
                env={**os.environ, **environment},
            )
            with self._lock:
                self._running.add(process)
            output, _ = process.communicate()
            with self._lock:
                self._running.discard(process)
        if process.returncode == 0 and job.step is None:
            key = json.loads((cell.jobs[0].makes / "manifest.json").read_text())["key"]
            write_json(job.makes, {"key": key, **json.loads(output)})
        reason = "" if process.returncode == 0 else _reason(job.log, process.returncode)
        state = f"failed: {reason}" if reason else f"done in {time.monotonic() - begin:.0f} s"
        logger.info("%s: %s %s", cell.dataset, job.makes.name, state)
        return reason


def environments(count: int) -> list[dict[str, str]]:
    """Environment variables for each of several processes that run side by side.

    Args:
        count: number of processes.

    Raises:
        ConfigError: more processes than GPUs.
    """
    code = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    if count == 1:
        return [{"PYTHONPATH": code}]
    import torch  # takes seconds to import, and one process needs none of it

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(one) for one in range(torch.cuda.device_count())]
    if not torch.cuda.is_available():
        threads = str(max(1, available_cores() // count))
        return [{"PYTHONPATH": code, "OMP_NUM_THREADS": threads, "GPUS": "1"}] * count
    if count > len(gpus):
        raise ConfigError(
            f"expected at most {len(gpus)} jobs at a time, one per GPU, got {count}: correct --jobs"
        )
    return [{"PYTHONPATH": code, "CUDA_VISIBLE_DEVICES": one, "GPUS": "1"} for one in gpus[:count]]


def _reason(log: Path, status: int) -> str:
    """Why a process ended, in one line: the last of its log."""
    if status < 0:
        return f"killed by signal {-status}{' (memory?)' if status == -9 else ''}, see {log}"
    lines = [one.strip() for one in log.read_text(errors="replace").splitlines() if one.strip()]
    last = lines[-1] if lines else f"exit status {status}"
    # The time in front of a line of the log.
    first, _, rest = last.partition(" ")
    return rest if rest and first.replace(":", "").isdigit() else last


def command_line(job: Job) -> str:
    """A job as one would type it."""
    return " ".join(("wsss", *job.arguments))
