"""Configuration: mmengine Python files, with overrides that are checked before they are believed."""

import ast
import dataclasses
import difflib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mmengine.config import Config

from wsss.config_layers import DELETE, Layer, origin_of, read_layers, without_deleted
from wsss.errors import ConfigError
from wsss.presets import CONFIG_DIR, find_config
from wsss.thresholds import TAGS, Threshold

COMMAND_LINE = "--cfg-options"
# Tables whose keys are no settings of the stage; data sets check theirs themselves.
_FREE_TABLES = ("dataset", "baselines", "tuned")


class Described(Protocol):
    """What `load_settings` must know of a stage."""

    @property
    def name(self) -> str:
        """Name of its folder of presets and of ``_base_/NAME.py``, the defaults under each of them."""

    @property
    def owned(self) -> Mapping[str, str]:
        """Settings that the stage sets itself -> where to set what they follow from."""

    def defaults(self, config: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Settings of the method that ``config["method"]`` names, nested, with their defaults.

        Raises:
            ConfigError: there is no such method.
        """

    def owners(self, key: str, /) -> Sequence[str]:
        """Names of the methods that have a setting."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """A resolved config, and where its values come from.

    Attributes:
        config: the resolved config.
        file: the file that it was loaded from; None: a program made it.
        options: the overrides that were applied to it, without a stage's name before them.
        unused: overrides that name no setting of this config, with the message that says so.
        layers: where values come from, the stronger ones first: the file and what it inherits, the method's
            defaults, those that all methods of the stage share.
    """

    config: Config
    file: Path | None = None
    options: tuple[str, ...] = ()
    unused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    layers: Sequence[Layer] = ()

    @functools.cached_property
    def sources(self) -> Mapping[str, str]:
        """Dotted name of each setting -> where its value comes from.

        The file that set it last, relative to the folder of configs where it lies there, ``--cfg-options``,
        ``method NAME`` for the default of a method, or ``program``.
        """
        overridden = tuple(f"{option.partition('=')[0]}." for option in self.options)
        layers = self.layers or [("program", self.config)]
        return {
            name: COMMAND_LINE if f"{name}.".startswith(overridden) else origin_of(name, layers)
            for name, _ in flatten(self.config)
        }

    def threshold(self, name: str) -> Threshold:
        """The value of a setting as a threshold; who chose it follows from where the value comes from.

        A preset names in ``tuned`` which of its own settings ground truth chose, and on what.
        """
        config: Any = self.config
        for part in name.split("."):
            config = config[part]
        source = self.sources[name]
        if source == COMMAND_LINE:
            return Threshold(config, "command line")
        if self.file is None:
            return Threshold(config, source)
        tuned = self.config.get("tuned") or {}
        is_tuned = name in tuned.get("settings", ()) and source == self.sources["tuned.settings"]
        return Threshold(
            config, f"preset {source}" + (f", ground truth of {tuned['on']}" if is_tuned else "")
        )


def load_settings(
    stage: Described, dataset: str, *, path: str | Path | None = None, options: Sequence[str] = ()
) -> Settings:
    """Load the preset of a stage for a data set, or a given file, and apply the overrides that it knows.

    Args:
        stage: has the defaults and the methods.
        dataset: name of the preset: ``configs/STAGE/DATASET.py``.
        path: a config file to use instead.
        options: overrides ``a.b=value``; values are Python literals, anything else is a string.

    Returns:
        The resolved settings. Overrides of keys that the config does not have are named in ``unused``:
        another stage, or another method, may have them.

    Raises:
        ConfigError: no such file, a broken file, an unknown key (the nearest name is given), a wrong type, or
            a setting that the stage sets itself.
    """
    file = find_config(stage.name, dataset, path=path)
    config = _read(file)
    common = CONFIG_DIR / "_base_" / f"{stage.name}.py"
    base = _read(common)
    # The method may be chosen by an override, and decides which other keys there are.
    chosen = Config(merge(base.to_dict(), {"method": config.method} if "method" in config else {}))
    apply_options(chosen, [option for option in options if option.partition("=")[0] == "method"])
    own = stage.defaults(chosen)
    defaults = merge(base.to_dict(), own)
    _check_keys(config, defaults, file, stage)
    layers = read_layers(file)
    config = Config(merge(without_deleted(defaults, layers), config.to_dict()))
    unused: dict[str, str] = {}
    for option in options:
        try:
            apply_options(config, [option], owned=stage.owned)
        except UnknownKeyError as error:
            key = option.partition("=")[0]
            # A table that this method has as well: the key inside it is the mistake.
            is_own_table = any(name.startswith(f"{key}.") for name, _ in flatten(config))
            method = config.get("method")
            unused[option] = str(error) if is_own_table else _with_owners(str(error), key, stage, method)
    used = tuple(option for option in options if option not in unused)
    layers += [(f"method {config.get('method')}", own), *read_layers(common)]
    return Settings(config, file, used, unused, layers)


def load_config(
    stage: Described, dataset: str, *, path: str | Path | None = None, options: Sequence[str] = ()
) -> Config:
    """The config of `load_settings`, for one stage alone: every override must be one of its keys.

    Raises:
        ConfigError: as `load_settings` does, and where an override names a key that the config does not have.
    """
    settings = load_settings(stage, dataset, path=path, options=options)
    if settings.unused:
        raise ConfigError(next(iter(settings.unused.values())))
    return settings.config


def options_of(stage: str, options: Sequence[str], stages: Sequence[str]) -> list[str]:
    """Overrides that may concern a stage, without its name before them.

    Args:
        stage: name of the stage.
        options: overrides ``a.b=value`` for all stages, or ``STAGE.a.b=value`` for one.
        stages: names of all stages.

    >>> options_of("seeds", ["random_seed=1", "seeds.train.epochs=2", "segment.x=3"], ("seeds", "segment"))
    ['random_seed=1', 'train.epochs=2']
    """
    own = []
    for option in options:
        first, dot, rest = option.partition(".")
        if not dot or first not in stages:
            own.append(option)
        elif first == stage:
            own.append(rest)
    return own


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested tables as one; where both have a value, that of ``above``.

    A table of ``above`` with ``_delete_=True`` takes the whole place of the one below it, as in mmengine.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "_delete_": True}})
    {'a': {'c': 3}}
    """
    merged = dict(below)
    for key, value in above.items():
        if not isinstance(value, Mapping):
            merged[key] = value
            continue
        old = merged.get(key)
        own = {name: one for name, one in value.items() if name != DELETE}
        merged[key] = merge(old if isinstance(old, Mapping) and not value.get(DELETE) else {}, own)
    return merged


def _read(file: Path) -> Config:
    try:
        return Config.fromfile(str(file))
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"expected a config that loads, got {message!r} in {file}: correct the file"
        ) from error


def _with_owners(message: str, key: str, stage: Described, method: str | None) -> str:
    """The message of an unknown key, with the other methods that have it."""
    owners = [one for one in stage.owners(key) if one != method]
    if not owners:
        return message
    return f"{message.partition(': ')[0]}: it is a setting of {' and '.join(map(repr, owners))}, set method"


def load_dataset_settings(preset: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """Settings of a data set alone: the table ``dataset`` of ``configs/_base_/PRESET.py``.

    Args:
        preset: name of the data set.
        options: overrides ``dataset.KEY=value``; those of anything else are passed over.

    Raises:
        ConfigError: there is no such preset, or it has no such setting.
    """
    file = CONFIG_DIR / "_base_" / f"{preset}.py"
    config = _read(file) if file.is_file() else Config()
    if not isinstance(config.get("dataset"), Mapping):
        known = sorted(one.stem for one in file.parent.glob("*.py") if "dataset" in _read(one))
        raise ConfigError(
            f"expected a preset of a data set at {file}, found none: choose out of {', '.join(known)}"
        )
    apply_options(config, [option for option in options if option.startswith("dataset.")])
    return dict(config.dataset)


class UnknownKeyError(ConfigError):
    """An override of a key that the config does not have."""


def apply_options(config: Config, options: Sequence[str], *, owned: Mapping[str, str] | None = None) -> None:
    """Apply overrides ``a.b=value`` in place.

    Args:
        config: a resolved config.
        options: the overrides.
        owned: settings that nobody may override -> where to set what they follow from.

    Raises:
        UnknownKeyError: a key that the config does not have.
        ConfigError: no ``=``, a value of another type, or an owned setting.
    """
    for option in options:
        name, separator, text = option.partition("=")
        if not separator:
            raise ConfigError(f"expected KEY=VALUE, got {option!r} in --cfg-options: write it as a.b=value")
        known = dict(flatten(config))
        branches = {
            ".".join(key.split(".")[:depth]) for key in known for depth in range(1, key.count(".") + 1)
        }
        value = _parse(text)
        advice = next((say for key, say in (owned or {}).items() if f"{key}.".startswith(f"{name}.")), None)
        if advice is not None:
            raise ConfigError(f"expected a setting that can be set, got {name!r} in --cfg-options: {advice}")
        if name in branches and not isinstance(value, Mapping):
            raise ConfigError(
                f"expected a table for {name}, got {value!r} in --cfg-options: set one of its keys, such as "
                f"{next(key for key in known if key.startswith(f'{name}.'))}"
            )
        # A table may be given whole, but not with other keys; an empty one takes any.
        for key, leaf in [(name, value)] if name in known else flatten({name: value}):
            if key not in known:
                nearest = _nearest(key, [*known, *branches])
                raise UnknownKeyError(f"expected a known key, got {key!r} in --cfg-options: {nearest}")
            _check_type(key, known[key], leaf)
        # mmengine merges a table into a table alone; one in the place of another value is set as it is.
        is_new_table = isinstance(value, Mapping) and name in known and not isinstance(known[name], Mapping)
        config.merge_from_dict({name: {DELETE: True, **value} if is_new_table else value})


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a nested config as (dotted name, value); lists are leaves, and so are empty tables."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def _check_keys(config: Mapping[str, Any], defaults: Mapping[str, Any], file: Path, stage: Described) -> None:
    """Refuse keys that neither the stage nor the method knows; the data set checks ``dataset`` itself."""
    known = dict(flatten(defaults))
    # Another class has settings of its own, which it checks itself when it is built.
    other = tuple(f"{name}." for name in _tables_of_another_type(config, defaults))
    for name, value in flatten(config):
        parts = name.split(".")
        if parts[0] in _FREE_TABLES or parts[-1] == DELETE or name.startswith(other):
            continue
        if name not in known:
            message = f"expected a known key, got {name!r} in {file}: {_nearest(name, list(known))}"
            raise ConfigError(_with_owners(message, name, stage, defaults.get("method")))
        _check_type(name, known[name], value)


def _tables_of_another_type(
    config: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Names of the tables whose ``type`` is not the default's."""
    for key, default in defaults.items():
        value = config.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            if value.get("type", default.get("type")) != default.get("type"):
                yield f"{prefix}{key}"
            else:
                yield from _tables_of_another_type(value, default, f"{prefix}{key}.")


def _check_type(name: str, default: Any, value: Any) -> None:
    """A value must have the default's type; an int passes for a float, None for what is no number."""
    is_number = isinstance(default, int | float) or (isinstance(default, list | tuple) and _numeric(default))
    if default is None or (value is None and not is_number):
        return
    # Which settings may have the word is checked with their ranges; where a preset has it, a number fits too.
    if value == TAGS and isinstance(default, float):
        return
    if default == TAGS and isinstance(value, int | float) and not isinstance(value, bool):
        return
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(default, bool) and isinstance(value, bool)
    elif isinstance(default, float):
        fits = isinstance(value, int | float)
    elif isinstance(default, list | tuple):
        # An empty default says nothing of what may stand in it.
        numbers = bool(default) and _numeric(default)
        fits = isinstance(value, list | tuple) and (not numbers or _numeric(value))
    else:
        fits = isinstance(value, type(default))
    if not fits:
        raise ConfigError(
            f"expected {name} of type {type(default).__name__} (such as {default!r}), got {value!r}: "
            "correct the value"
        )


def _numeric(values: Sequence[Any]) -> bool:
    """Whether a list holds numbers, and numbers alone."""
    return len(values) > 0 and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in values
    )


def _parse(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _nearest(name: str, known: Sequence[str]) -> str:
    # A name without its table, or without a word of it: `epochs`, `seed`.
    last = name.rpartition(".")[2]
    longer = [one for one in known if last in (tail := one.rpartition(".")[2]).split("_") or last == tail]
    close = difflib.get_close_matches(name, longer or known, n=1, cutoff=0.0)
    return f"did you mean {close[0]!r}?" if close else "the config has no keys"
