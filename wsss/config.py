"""Configuration: mmengine Python files, with overrides that are checked before they are believed."""

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

CONFIG_DIR = PROJECT_ROOT / "configs"


def load_config(
    stage: str, dataset: str, *, path: str | Path | None = None, options: Sequence[str] = ()
) -> Config:
    """Load the preset of a stage for a data set, or a given file, and apply overrides.

    Args:
        stage: ``seeds``, ``refine`` or ``segment``.
        dataset: name of the preset: ``configs/STAGE/DATASET.py``.
        path: a config file to use instead.
        options: overrides ``a.b=value``; values are Python literals, anything else is a string.

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
    defaults = CONFIG_DIR / "_base_" / f"{stage}.py"
    if defaults.is_file():
        _check_keys(config, Config.fromfile(str(defaults)), file)
    apply_options(config, options)
    return config


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
        if name not in known and name not in branches:
            raise ConfigError(
                f"expected a known key, got {name!r} in --cfg-options: {_nearest(name, [*known, *branches])}"
            )
        value = _parse(text)
        if name in known:
            _check_type(name, known[name], value)
        config.merge_from_dict({name: value})


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
        fits = isinstance(value, list | tuple)
    else:
        fits = isinstance(value, type(default))
    if not fits:
        raise ConfigError(
            f"expected {name} of type {type(default).__name__} (such as {default!r}), got {value!r}: "
            "correct the value"
        )


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
