"""The files that a config is built from, the stronger ones first: which sets a value, which drops a table."""

import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wsss.presets import CONFIG_DIR

# In a table of a config: nothing of the table below it is kept (mmengine's word).
DELETE = "_delete_"
# Where the values of a table come from, as people read it, and what it sets itself.
Layer = tuple[str, Mapping[str, Any]]


def read_layers(file: Path) -> list[Layer]:
    """A config file and what it inherits from, each with what it sets itself.

    Args:
        file: a config that loads.

    Returns:
        The stronger ones first. Files are named relative to the folder of configs where they lie there. A
        file that cannot be run on its own, because of mmengine's ``{{ }}``, stands for all that it inherits.
    """
    return list(_layers(file.resolve()))


def _layers(file: Path) -> Iterator[Layer]:
    try:
        own: Mapping[str, Any] = runpy.run_path(str(file))
    # mmengine has loaded it: what fails here is such a substitution, in whatever way Python reads it.
    except Exception:
        yield _origin(file), Config.fromfile(str(file)).to_dict()
        return
    yield _origin(file), own
    bases = own.get("_base_", ())
    for base in reversed([bases] if isinstance(bases, str) else bases):
        yield from _layers((file.parent / base).resolve())


def _origin(file: Path) -> str:
    return str(file.relative_to(CONFIG_DIR) if file.is_relative_to(CONFIG_DIR) else file)


def origin_of(name: str, layers: Sequence[Layer]) -> str:
    """Where the value of a setting comes from: the first layer that sets it, or a table in its place.

    >>> origin_of("a.b", [("top", {"a": {"c": 1}}), ("middle", {"a": {"b": 2}}), ("bottom", {"a": {"b": 3}})])
    'middle'
    """
    return next(origin for origin, own in layers if _sets(own, name.split(".")))


def _sets(own: Any, parts: Sequence[str]) -> bool:
    if not parts or not isinstance(own, Mapping):
        return True
    return parts[0] in own and _sets(own[parts[0]], parts[1:])


def without_deleted(table: Mapping[str, Any], above: Sequence[Layer]) -> dict[str, Any]:
    """A nested table less the tables in it whose place some layer above takes whole.

    Among the files of a config mmengine drops them, and the mark with them; defaults lie below the files.

    >>> without_deleted({"a": {"b": 1}, "c": {"d": 2}}, [("top", {"a": {"_delete_": True, "e": 3}})])
    {'c': {'d': 2}}
    """
    inner = {
        key: [(origin, own[key]) for origin, own in above if isinstance(own.get(key), Mapping)]
        for key, value in table.items()
        if isinstance(value, Mapping)
    }
    kept = {key for key in table if not any(own.get(DELETE) for _, own in inner.get(key, ()))}
    return {
        key: without_deleted(value, inner[key]) if key in inner else value
        for key, value in table.items()
        if key in kept
    }
