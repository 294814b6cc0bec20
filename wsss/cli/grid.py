"""A grid as its file says it: data sets x seed methods x refine methods x random seeds."""

import dataclasses
import re
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.cli.stages import STAGES
from wsss.config import load_dataset_settings
from wsss.datasets import DATASETS, LocalizationDataSet
from wsss.errors import ConfigError
from wsss.presets import CONFIG_DIR

_AXES = ("datasets", "methods", "refine")
_KEYS = (*_AXES, "random_seeds", "options")
_NAME = re.compile(r"[\w.+][\w.+-]*")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One place on an axis of the grid.

    Attributes:
        name: as in the table and in the names of folders.
        config: preset or file for its stage instead of the data set's; ``{dataset}`` stands for that name.
        options: overrides ``a.b=value`` for its stage; those of a data set go to all stages.
    """

    name: str
    config: str | None = None
    options: tuple[str, ...] = ()

    def config_file(self, stage: str, dataset: str, beside: Path) -> Path:
        """The config of a stage for a data set.

        Args:
            stage: seeds, refine or segment.
            dataset: name of the data set's preset.
            beside: folder of the grid's file: a config may lie there.
        """
        name = (self.config or f"{dataset}.py").format(dataset=dataset)
        own = beside / name
        return own if self.config and own.is_file() else CONFIG_DIR / stage / name


@dataclasses.dataclass(frozen=True)
class Grid:
    """What a file asks for.

    Attributes:
        name: of the file, without its suffix.
        folder: where the file lies.
        datasets: presets; localisation sets are scored by their boxes.
        methods: of seeds.
        refine: methods of masks, for data sets with classes for each pixel.
        random_seeds: each combination runs once with each of them.
        options: overrides for all.
    """

    name: str
    folder: Path
    datasets: tuple[Entry, ...]
    methods: tuple[Entry, ...]
    refine: tuple[Entry, ...] = ()
    random_seeds: tuple[int, ...] = (0,)
    options: tuple[str, ...] = ()


def read_grid(file: Path, options: tuple[str, ...] = ()) -> Grid:
    """Read a Python file with ``datasets``, ``methods``, and where wanted the other fields of `Grid`.

    Args:
        file: the file.
        options: further overrides for all; they come after the file's own.

    Raises:
        ConfigError: no such file, it does not run, an unknown key, or a value of another form.
    """
    if not file.is_file():
        raise ConfigError(f"expected a grid at {file}, found no file: see benchmarks/grids/ for some")
    try:
        found = runpy.run_path(str(file))
    except Exception as error:
        raise ConfigError(
            f"expected a grid that is Python, got {error!r} in {file}: correct the file"
        ) from error
    content = {key: value for key, value in found.items() if not key.startswith("_")}
    for key in content:
        if key not in _KEYS:
            raise ConfigError(f"expected a key out of {', '.join(_KEYS)}, got {key!r} in {file}: correct it")
    axes = {axis: _entries(axis, content.get(axis, []), file) for axis in _AXES}
    for axis in ("datasets", "methods"):
        if not axes[axis]:
            raise ConfigError(f"expected {axis} in {file}, found none: name at least one")
    seeds = content.get("random_seeds", [0])
    if not isinstance(seeds, list | tuple) or not seeds or any(type(one) is not int for one in seeds):
        raise ConfigError(f"expected random_seeds such as [0, 1], got {seeds!r} in {file}: correct it")
    return Grid(
        file.stem,
        file.parent,
        **axes,
        random_seeds=tuple(dict.fromkeys(seeds)),
        options=(*_options(content.get("options", []), f"options in {file}"), *options),
    )


def is_localization(dataset: str) -> bool:
    """Whether a data set has boxes to score seeds by.

    Raises:
        ConfigError: there is no such preset.
    """
    kind = DATASETS.get(str(load_dataset_settings(dataset).get("type")))
    return kind is not None and issubclass(kind, LocalizationDataSet)


def _entries(axis: str, content: Any, file: Path) -> tuple[Entry, ...]:
    """An axis: a list of names, or names with a config and options."""
    named = {str(one): {} for one in content} if isinstance(content, list | tuple) else content
    if not isinstance(named, Mapping) or not all(isinstance(one, Mapping) for one in named.values()):
        raise ConfigError(
            f'expected {axis} as ["NAME"] or dict(NAME=dict(config=..., options=[...])), got {content!r} in '
            f"{file}: correct it"
        )
    entries = []
    for name, value in named.items():
        allowed = ("options",) if axis == "datasets" else ("config", "options")
        unknown = sorted(set(value) - set(allowed))
        if unknown or not _NAME.fullmatch(name):
            raise ConfigError(
                f"expected names of letters and digits with {' and '.join(allowed)}, got "
                f"{unknown[0] if unknown else name!r} in {axis} of {file}: correct it"
            )
        options = _options(value.get("options", []), f"options of {name} in {file}")
        entries.append(Entry(name, value.get("config"), options))
    return tuple(entries)


def _options(content: Any, where: str) -> tuple[str, ...]:
    if not isinstance(content, list | tuple) or not all(
        isinstance(one, str) and "=" in one for one in content
    ):
        raise ConfigError(f'expected {where} as ["a.b=value"], got {content!r}: correct it')
    return tuple(content)


def named_options(stage: str, options: Sequence[str]) -> tuple[str, ...]:
    """Overrides with a stage's name before those that name none.

    >>> named_options("refine", ["infer.steps=16", "segment.random_seed=2"])
    ('refine.infer.steps=16', 'segment.random_seed=2')
    """
    return tuple(one if one.split(".")[0] in STAGES else f"{stage}.{one}" for one in options)
