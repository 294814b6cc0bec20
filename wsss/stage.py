"""What a stage is, what it gets, what it publishes, and what a run would do with it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config

from wsss.artifacts import Artifact, Damage, open_artifact
from wsss.config import Settings
from wsss.datasets import DataSet
from wsss.thresholds import Threshold

Action = Literal["skip", "continue", "run"]


@dataclasses.dataclass(frozen=True)
class Input:
    """A published folder that a stage reads, or one that a run is about to publish.

    Attributes:
        name: ``seeds``, ``seeds-cam``, ``masks``.
        dir: the folder.
        key: of its content.
        settings: those that it is made with, flat.
        artifact: None where it is not there yet.
    """

    name: str
    dir: Path
    key: str
    settings: Mapping[str, Any]
    artifact: Artifact | None = None

    @property
    def kind(self) -> str:
        """``seeds`` or ``masks``: seeds-cam holds seeds."""
        return self.name.partition("-")[0]


@dataclasses.dataclass(frozen=True)
class Job:
    """What a stage's ``run`` gets.

    Attributes:
        settings: the resolved settings, and where each comes from.
        dataset: the data set that the config names.
        inputs: opened artifacts by name.
        out_dir: the folder to fill; files already there were made by this same job and are kept.
    """

    settings: Settings
    dataset: DataSet
    inputs: Mapping[str, Artifact]
    out_dir: Path

    @property
    def config(self) -> Config:
        """The resolved config."""
        return self.settings.config


@dataclasses.dataclass(frozen=True)
class Preview:
    """What a stage's ``check`` gets: the job before anything is made.

    Attributes:
        config: the resolved config.
        dataset: the data set that the config names.
        inputs: by name; some may not be there yet.
    """

    config: Config
    dataset: DataSet
    inputs: Mapping[str, Input]


@dataclasses.dataclass(frozen=True)
class Result:
    """What a stage publishes about itself.

    Attributes:
        split: split that the payload covers.
        image_ids: images of the payload.
        figures: scores and measurements, by a name that says what they are.
        thresholds: thresholds used, and further choices by their names.
        extra: further facts for the manifest (initialisation, times); no entry of the manifest's own.
    """

    split: str
    image_ids: tuple[str, ...]
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, Threshold | Any] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _nothing(_: Any) -> Mapping[str, Any]:
    return {}


def _none(_: Any) -> Sequence[str]:
    return ()


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of the pipeline, as data; ``run`` holds the work.

    Attributes:
        name: as on the command line, and of its folder of presets.
        writes: kind of the artifact it publishes.
        schema: raised when the meaning of its settings or of its payload changes.
        run: fills ``job.out_dir``; may be called again on a half-filled folder.
        reads: names of the artifacts that a config needs (``seeds``, ``seeds-cam``).
        splits: splits of the data set that a config needs.
        defaults: settings of the method that a config names, with their defaults.
        owners: names of the methods that have a setting.
        check: refuses what cannot work, in seconds and with nothing made.
        parts: subfolder -> the settings and inputs that it does *not* depend on (``infer`` stands for all
            below it). A run that is stale for these alone takes it over instead of making it again.
        neutral: settings, or tables of them, that cannot move a result.
        owned: settings that the stage sets itself -> where to set what they follow from.
        downloads: files that would have to be downloaded first.
        seconds: rough core-seconds on CPUs, for the numbers of images of `splits` and the million pixels of
            one; None where nobody measured it.
        bytes_per_image: rough size of what it writes for an image.
        bytes_of_training: rough size of its checkpoints.
    """

    name: str
    writes: str
    schema: int
    run: Callable[[Job], Result]
    reads: Callable[[Config], Sequence[str]] = _none
    splits: Callable[[Config], Sequence[str]] = lambda config: (config.dataset.train_split,)
    defaults: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _nothing
    owners: Callable[[str], Sequence[str]] = _none
    check: Callable[[Preview], None] = lambda preview: None
    parts: Callable[[Config], Mapping[str, Sequence[str]]] = _nothing
    neutral: frozenset[str] = frozenset()
    owned: Mapping[str, str] = dataclasses.field(default_factory=dict)
    downloads: Callable[[Config], Sequence[str]] = _none
    seconds: Callable[[Config, Sequence[int], float], float | None] = lambda config, images, pixels: None
    bytes_per_image: int = 0
    bytes_of_training: int = 0


@dataclasses.dataclass(frozen=True)
class Step:
    """What a run will do with one stage; nothing is made yet.

    Attributes:
        stage: the stage.
        settings: its resolved settings.
        dataset: the data set.
        dataset_name: the name on the command line, for messages.
        out_dir: the folder that it publishes.
        inputs: what it reads.
        state: key, settings and inputs of what it would make; empty in processes that do not publish.
        action: skip what is up to date, continue what was interrupted, or run.
        reasons: why an artifact that is there is not up to date.
        takes_over: subfolders of it that still hold.
        damage: files of it to be made again; all others are kept.
        before: what `wsss.folder.read_state` found in the folder.
    """

    stage: Stage
    settings: Settings
    dataset: DataSet
    dataset_name: str
    out_dir: Path
    inputs: Mapping[str, Input]
    state: Mapping[str, Any]
    action: Action
    reasons: tuple[str, ...] = ()
    takes_over: tuple[str, ...] = ()
    damage: Damage = dataclasses.field(default_factory=Damage)
    before: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the folder: ``seeds``, ``seeds-cam``."""
        return self.out_dir.name

    def as_input(self) -> Input:
        """What later stages read of it."""
        key, settings = self.state.get("key", ""), self.state.get("settings", {})
        artifact = open_artifact(self.out_dir) if self.action == "skip" else None
        return Input(self.name, self.out_dir, key, settings, artifact)
