"""Configuration: mmengine Python files, with overrides that are checked before they are believed."""

import ast
import difflib
import importlib.util
import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

CONFIG_DIR = PROJECT_ROOT / "configs"


def load_config(
    stage: str,
    dataset: str,
    *,
    path: str | Path | None = None,
    options: Sequence[str] = (),
    baseline: bool = False,
) -> Config:
    """Load the preset of a stage for a data set, or a given file, and apply overrides.

    Args:
        stage: ``seeds``, ``refine`` or ``segment``.
        dataset: name of the preset: ``configs/STAGE/DATASET.py``.
        path: a config file to use instead.
        options: overrides ``a.b=value``; values are Python literals, anything else is a string.
        baseline: leave out overrides of settings that its method does not have: they are meant for the main
            config.

    Returns:
        The resolved config.

    Raises:
        ConfigError: no such file, a broken file, an unknown key (the nearest name is given), a wrong type.
    """
    file = Path(path) if path is not None else CONFIG_DIR / stage / f"{dataset}.py"
    if not file.is_file():
        raise ConfigError(
            f"expected a config at {file}, found no file: {_known_presets(stage, path is None)}"
        )
    try:
        config = Config.fromfile(str(file))
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"expected a config that loads, got {message!r} in {file}: correct the file"
        ) from error
    # The method decides which other settings there are.
    apply_options(config, [one for one in options if one.startswith("method=")])
    own = _method_defaults(stage, config)
    common = CONFIG_DIR / "_base_" / f"{stage}.py"
    if common.is_file():
        _check_keys(config, _merged(Config.fromfile(str(common)).to_dict(), own), file)
    config = Config(_merged(own, config.to_dict()))
    if baseline:
        known = {name for name, _ in flatten(config)}
        options = [one for one in options if any(f"{name}.".startswith(f"{_key(one)}.") for name in known)]
    apply_options(config, options)
    return config


def _method_defaults(stage: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the config's method with their defaults; none for a stage without methods."""
    if importlib.util.find_spec(f"{stage}.methods") is None:
        return {}
    defaults = importlib.import_module(f"{stage}.methods").method_defaults(config)
    return dict(defaults)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested tables as one; where both have a value, that of ``above``."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def load_dataset_settings(preset: str) -> dict[str, Any]:
    """Settings of a data set alone: the table ``dataset`` of ``configs/_base_/PRESET.py``.

    Raises:
        ConfigError: there is no such preset.
    """
    file = CONFIG_DIR / "_base_" / f"{preset}.py"
    settings = Config.fromfile(str(file)).get("dataset") if file.is_file() else None
    if not isinstance(settings, Mapping):
        raise ConfigError(f"expected a preset of a data set at {file}, found none: correct --preset")
    return dict(settings)


def apply_options(config: Config, options: Sequence[str]) -> None:
    """Apply overrides ``a.b=value`` in place.

    Raises:
        ConfigError: no ``=``, a key that the config does not have, or a value of another type.
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
        if name in branches and not isinstance(value, Mapping):
            raise ConfigError(
                f"expected a table for {name}, got {value!r} in --cfg-options: set one of its keys, such as "
                f"{next(key for key in known if key.startswith(f'{name}.'))}"
            )
        # A table may be given whole, but not with other keys; an empty one takes any.
        for key, leaf in [(name, value)] if name in known else flatten({name: value}):
            if key not in known:
                nearest = _nearest(key, [*known, *branches])
                raise ConfigError(f"expected a known key, got {key!r} in --cfg-options: {nearest}")
            _check_type(key, known[key], leaf)
        config.merge_from_dict({name: value})


def value_sources(file: Path, config: Mapping[str, Any], options: Sequence[str] = ()) -> dict[str, str]:
    """Where each value of a resolved config comes from.

    Args:
        file: the config file that it was loaded from.
        config: the resolved config.
        options: the overrides that were applied.

    Returns:
        Dotted name -> the file that set it last, relative to the folder of configs where it lies there,
        ``--cfg-options``, or ``method NAME`` for the default of a method.
    """
    overridden = [option.partition("=")[0] for option in options]
    layers = list(_layers(file.resolve()))

    def source(name: str) -> str:
        if any(f"{name}.".startswith(f"{one}.") for one in overridden):
            return "--cfg-options"
        found = next((path for path, own in layers if _sets(own, name.split("."))), None)
        if found is None:
            return f"method {config.get('method')}"
        return str(found.relative_to(CONFIG_DIR) if found.is_relative_to(CONFIG_DIR) else found)

    return {name: source(name) for name, _ in flatten(config)}


def _layers(file: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """A config file and what it inherits from, the stronger ones first, each with what it sets itself."""
    own = runpy.run_path(str(file))
    yield file, own
    bases = own.get("_base_", ())
    for base in reversed([bases] if isinstance(bases, str) else bases):
        yield from _layers((file.parent / base).resolve())


def _sets(own: Any, parts: Sequence[str]) -> bool:
    """Whether a nested table names a setting, or puts something else in its place."""
    if not parts or not isinstance(own, Mapping):
        return True
    return parts[0] in own and _sets(own[parts[0]], parts[1:])


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a nested config as (dotted name, value); lists are leaves, and so are empty tables."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def _check_keys(config: Mapping[str, Any], defaults: Mapping[str, Any], file: Path) -> None:
    """Refuse keys that the stage's defaults do not know; ``dataset`` is checked by the data set itself."""
    known = dict(flatten(defaults))
    # Another class has settings of its own, which it checks itself when it is built.
    other = tuple(f"{name}." for name in _tables_of_another_type(config, defaults))
    for name, value in flatten(config):
        top = name.split(".")[0]
        if top in ("dataset", "baselines") or name.startswith(other):
            continue
        if name not in known:
            raise ConfigError(f"expected a known key, got {name!r} in {file}: {_nearest(name, list(known))}")
        _check_type(name, known[name], value)


def _tables_of_another_type(
    config: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Names of the tables whose ``type`` is not the default's."""
    for key, default in defaults.items():
        value = config.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            if value.get("type") != default.get("type"):
                yield f"{prefix}{key}"
            else:
                yield from _tables_of_another_type(value, default, f"{prefix}{key}.")


def _check_type(name: str, default: Any, value: Any) -> None:
    """A value must have the default's type; an int passes for a float, None stands for anything."""
    if default is None or value is None:
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


def _key(option: str) -> str:
    """The key of an override, whatever its value."""
    return option.partition("=")[0]


def _parse(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"did you mean {close[0]!r}?" if close else "the config has no keys"


def _known_presets(stage: str, named: bool) -> str:
    presets = sorted(file.stem for file in (CONFIG_DIR / stage).glob("*.py"))
    return f"choose out of {', '.join(presets)}" if named and presets else "correct --config"
