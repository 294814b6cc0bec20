"""What a seed method is to the stage, and what its trainings are made of."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from mmengine.hooks import Hook
from torch import Tensor, nn
from torch.utils.data import Dataset

from wsss.datasets import DataSet
from wsss.optim import build_optimizer
from wsss.ranges import OneOf, Range
from wsss.stage import Job
from wsss.thresholds import Threshold
from wsss.training import OptimizerBuilder, Schedule

MapKind = Literal["class", "agnostic", "both", "signed"]


@dataclasses.dataclass(frozen=True)
class Seeds:
    """What a method made in the job's folder.

    Attributes:
        split: split that the seeds cover.
        image_ids: images with a seed.
        has_own_cam: the class activation maps of the same network lie in ``own_cam/``, of the images that
            are scored.
        thresholds: those that the method chose itself, without ground truth: ``seed_fixed``, and
            ``own_cam_fixed`` of the maps in ``own_cam/``.
        figures: measurements of the training, for the manifest.
        extra: further facts for the manifest.
    """

    split: str
    image_ids: tuple[str, ...]
    has_own_cam: bool = False
    thresholds: Mapping[str, Threshold] = dataclasses.field(default_factory=dict)
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class SeedMethod(Protocol):
    """A way to make seeds, as a value; methods that train networks build on `TrainedMethod`."""

    @property
    def name(self) -> str:
        """As in the config's ``method``."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Its own settings with their defaults, in the tables ``model``, ``train`` and ``infer``.

        It may give settings that all methods share (``configs/_base_/seeds.py``) other defaults. ``reads``
        names published seeds that it needs, such as ``("seeds", "seeds-cam")``; they are then ``job.inputs``.
        ``infer.own_cam`` True: its network has a classifier whose CAM is scored beside the seeds.
        """

    @property
    def ranges(self) -> Mapping[str, Range | OneOf]:
        """Dotted name of a setting -> what it may be; checked before anything is made."""

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse settings that contradict each other; makes nothing.

        Raises:
            ConfigError: what contradicts what, and which one to change.
        """

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """Whether the maps are one per class, one class-agnostic foreground map, or both.

        "signed": one per class, above 0 on the object and below it elsewhere, so that no threshold is left.
        """

    def make(self, job: Job) -> Seeds:
        """Write a seed per image into ``job.out_dir``; may be called again on a half-filled folder."""


class Predictor(Protocol):
    """What inference needs of a trained network, besides being an ``nn.Module``.

    A predictor with ``backbone`` (`wsss.backbones.Backbone`) lends its weights to later stages. Where
    ``extract(image)`` and ``classify(features)`` are there as in `seeds.model.BASNet`, a method may own
    ``infer.image_specific``.
    """

    def seed_maps(self, image: Tensor) -> Tensor:
        """Maps of a batch.

        Args:
            image: (B, 3, H, W) float, normalized.

        Returns:
            (B, K, h, w) float >= 0. Kind "class": K = C maps of the classes; "both": C + 1, the last one
            class-agnostic in [0, 1]; "agnostic": 1 in [0, 1]. Scales and flips are summed elsewhere.
        """

    def signed_maps(self, image: Tensor) -> Tensor:
        """Maps (B, C, h, w) of either sign; asked for in place of `seed_maps` with the kind "signed"."""

    def logits(self, image: Tensor) -> Tensor:
        """Logits of a batch: (B, 3, H, W) -> (B, C); asked for where ``infer.logits`` is set."""

    def maps_and_cam(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """`seed_maps`, and the class map (B, C, h', w') >= 0 of the network's own classifier.

        Asked for where the method owns ``infer.own_cam`` and it is set: CAM by the very same network is the
        baseline of its maps.
        """


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a method knows when it builds a network.

    Attributes:
        config: the resolved settings of the stage.
        classes: names of the C classes.
        count: number of training images.
    """

    config: Mapping[str, Any]
    classes: tuple[str, ...]
    count: int

    @property
    def schedule(self) -> Schedule:
        """The schedule that the settings ``train.*`` describe."""
        return Schedule.from_settings(self.config["train"])

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch in `schedule`."""
        return self.schedule.steps_per_epoch(self.count)


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a method.

    Attributes:
        network: has ``training_losses`` (`wsss.training.Trainable`).
        schedule: length and rates.
        parameter_groups: the optimizer's groups: ``params`` and optionally ``lr``, ``weight_decay``, ...
        optimizer: makes the optimizer of the groups and the schedule.
        images: gives the training images; None: `seeds.dataset.TaggedImages` with ``train.resize`` and
            ``train.crop``.
        hooks: further mmengine hooks.
        figures: asked after the training for what it measured, for the manifest.
    """

    network: nn.Module
    schedule: Schedule
    parameter_groups: Sequence[dict[str, Any]]
    optimizer: OptimizerBuilder = build_optimizer
    images: Callable[[DataSet, Sequence[str]], Dataset[dict[str, Tensor]]] | None = None
    hooks: Sequence[Hook] = ()
    figures: Callable[[], Mapping[str, Any]] = dict


def parameter_groups(
    network: nn.Module,
    *,
    learning_rate: float,
    heads: Sequence[tuple[Iterable[Tensor], float]] = (),
    biases: bool = True,
) -> list[dict[str, Any]]:
    """Groups of an optimizer: what is pretrained at the schedule's rate, new layers at a multiple of it.

    Args:
        network: parameters without gradient are left out.
        learning_rate: of the schedule.
        heads: parameters of new layers, and the factor on their rate.
        biases: train the biases of the rest too.

    Returns:
        The rest, then one group per entry of ``heads``; groups without parameters are left out.
    """
    sets = [(list(parameters), factor) for parameters, factor in heads]
    new = {id(parameter) for parameters, _ in sets for parameter in parameters}
    rest = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and id(parameter) not in new and (biases or not name.endswith(".bias"))
    ]
    groups: list[dict[str, Any]] = [{"params": rest}]
    groups += [{"params": parameters, "lr": learning_rate * factor} for parameters, factor in sets]
    return [group for group in groups if group["params"]]
