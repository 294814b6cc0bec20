"""Methods that turn seeds into masks, as values: each owns its settings, its checks and its work.

A package of its own may bring another one: docs/add-refine-method.md.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from refine.clock import Clock
from wsss.artifacts import Seed
from wsss.config import Settings, flatten
from wsss.errors import ConfigError
from wsss.methods import find, known_names
from wsss.ranges import NOT_NEGATIVE, OneOf, Range, check_ranges
from wsss.stage import Job
from wsss.thresholds import Threshold

GROUP = "wsss.refine_methods"
BUILT_IN = {"crf": "refine.methods.crf:METHOD", "irn": "refine.methods.irn:METHOD"}


@dataclasses.dataclass(frozen=True)
class Decision:
    """The threshold that parted the classes from background, and what it was applied to.

    Attributes:
        name: in the figures, where ``mIoU_oracle_NAME`` says what the best value would have given.
        read: gives the soft maps of an image id, as they were when the threshold was applied.
    """

    name: str
    read: Callable[[str], Seed]


@dataclasses.dataclass(frozen=True)
class Made:
    """What a method says about the masks that it wrote.

    Attributes:
        figures: measurements, by a name that says what they are.
        extra: further facts for the manifest, such as how weights were initialised.
        thresholds: those that were chosen on the way, in place of "tags" in `RefineMethod.thresholds`.
        decision: the threshold to score beside its best value; None for a method that has none.
    """

    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, Threshold] = dataclasses.field(default_factory=dict)
    decision: Decision | None = None


class RefineMethod(Protocol):
    """What a method of the stage refine has. Its settings are the common ones and those of ``defaults``."""

    @property
    def name(self) -> str:
        """As in the config's ``method``."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Its settings in nested tables, each with its default; a key that is not here is refused."""

    @property
    def ranges(self) -> Mapping[str, Range | OneOf]:
        """Dotted name of a setting -> what it may be; checked before anything is made."""

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Subfolder of the masks -> the settings that it does *not* depend on.

        ``infer`` stands for all settings below it. A run that is stale for these alone takes the subfolder
        over instead of making it again.
        """

    @property
    def accepts_agnostic(self) -> bool:
        """Whether it takes seeds with a class-agnostic map alone, for images with exactly one tag.

        It reads seeds with `refine.class_maps.read_class_maps` then. The stage refuses those of images with
        more tags.
        """

    def thresholds(self, settings: Settings) -> Mapping[str, Threshold]:
        """Thresholds that the masks rest on, by name, each with who chose it (`Settings.threshold`)."""

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse settings that contradict each other. Takes seconds and makes nothing.

        Args:
            config: a resolved config whose settings are in their ranges.

        Raises:
            ConfigError: names the settings.
        """

    def write_masks(self, job: Job, image_ids: Sequence[str], clock: Clock) -> Made:
        """Write the mask of each image that has none yet: ``job.out_dir / "ID.png"`` by `write_mask`.

        It may be called again on a half-filled folder. Several processes may run it, each on its own images;
        whoever needs the files of the others calls `wsss.distributed.wait` first.

        Args:
            job: config, data set, ``inputs["seeds"]`` and the folder to fill. The seeds' ids are all images
                to refine.
            image_ids: those of this process.
            clock: told when a part of the work is done, for the times in the manifest.

        Returns:
            What to publish beside the masks; figures count in the first process alone.
        """


def find_method(name: str) -> RefineMethod:
    """The method of a name: one of ours, or of an installed package.

    Raises:
        ConfigError: there is no such method (the nearest name is given), or a member is missing.
    """
    method: RefineMethod = find(name, group=GROUP, table=BUILT_IN, protocol=RefineMethod)
    return method


def method_defaults(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of the method that a config names, nested, with their defaults.

    Raises:
        ConfigError: there is no such method.
    """
    method = find_method(config["method"])
    # A copy, because configs are changed in place.
    return copy.deepcopy({**method.defaults, "method": method.name})


def method_of_key(key: str) -> tuple[str, ...]:
    """Names of the methods that have a setting, such as ``infer.beta``."""
    owners = []
    for name in known_names(group=GROUP, table=BUILT_IN):
        # A broken package is named when its method is asked for.
        with contextlib.suppress(ConfigError):
            if key in dict(flatten(find_method(name).defaults)):
                owners.append(name)
    return tuple(owners)


def check_settings(config: Mapping[str, Any]) -> RefineMethod:
    """Refuse settings that are out of range or contradict each other; nothing is made.

    Returns:
        The method that the config names.

    Raises:
        ConfigError: names the first setting that is wrong.
    """
    method = find_method(config["method"])
    check_ranges(config, {"random_seed": NOT_NEGATIVE, **method.ranges})
    method.check(config)
    return method
