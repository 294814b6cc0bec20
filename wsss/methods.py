"""Methods of a stage as values: found by name among the built-in ones and those of installed packages."""

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from wsss.errors import ConfigError


def find(name: str, *, group: str, table: Mapping[str, str], protocol: type) -> Any:
    """The method of a name, checked against the Protocol of its stage.

    Args:
        name: as in the config's ``method``.
        group: entry points of this group in installed packages are methods too, such as
            ``wsss.refine_methods``.
        table: name -> ``module:attribute`` of the stage's own methods; they are imported when asked for.
        protocol: the Protocol that the method must have the members of.

    Returns:
        What ``module:attribute`` or the entry point leads to: an object with all members of ``protocol``.

    Raises:
        ConfigError: no method has the name (the nearest is given), two have it, it cannot be imported, or a
            member is missing (it is named).
    """
    found = [one for one in _entries(group, table) if one.name == name]
    if not found:
        names = known_names(group=group, table=table)
        close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
        meant = f"did you mean {close[0]!r}?" if close else f"install a package with methods in {group}"
        raise ConfigError(f"expected a method out of {', '.join(names)}, got {name!r}: {meant}")
    if len(found) > 1:
        raise ConfigError(
            f"expected one method of the name {name!r}, got {' and '.join(map(_origin, found))}: rename one "
            f"among its package's entry points ({group})"
        )
    entry = found[0]
    try:
        method = entry.load()
    except (ImportError, AttributeError, TypeError) as error:
        if entry.dist is None:
            raise
        raise ConfigError(
            f"expected to import the method {name!r} of {_origin(entry)}, got {error}: correct the "
            "entry point"
        ) from error
    _check(method, entry, protocol)
    return method


def known_names(*, group: str, table: Mapping[str, str]) -> list[str]:
    """Names of all methods of a stage: its own and those of installed packages, sorted."""
    return sorted({one.name for one in _entries(group, table)})


def protocol_members(protocol: type) -> dict[str, bool]:
    """Members that a Protocol asks for: name -> whether it is to be called."""
    members: dict[str, bool] = {}
    for base in protocol.__mro__:
        if base is object or not getattr(base, "_is_protocol", False):
            continue
        for name in (*vars(base).get("__annotations__", {}), *vars(base)):
            if not name.startswith("_"):
                members.setdefault(name, callable(vars(base).get(name)))
    return members


def _entries(group: str, table: Mapping[str, str]) -> list[EntryPoint]:
    own = [EntryPoint(name, value, group) for name, value in table.items()]
    return [*own, *entry_points(group=group)]


def _origin(entry: EntryPoint) -> str:
    package = "wsss itself" if entry.dist is None else f"the package {entry.dist.name}"
    return f"{package} ({entry.value})"


def _check(method: Any, entry: EntryPoint, protocol: type) -> None:
    """Refuse what lacks a member of the Protocol."""
    where = f"the method {entry.name!r} of {_origin(entry)}"
    if isinstance(method, type):
        raise ConfigError(
            f"expected an object for {where}, got the class {method.__name__}: let the entry point name an "
            f"instance, such as METHOD = {method.__name__}()"
        )
    for name, is_called in protocol_members(protocol).items():
        if not hasattr(method, name):
            raise ConfigError(
                f"expected the member {name!r} of {protocol.__name__} in {where}, found none: add it"
            )
        if is_called and not callable(getattr(method, name)):
            raise ConfigError(
                f"expected {name!r} to be a function in {where}, got {getattr(method, name)!r}: see "
                f"{protocol.__module__}.{protocol.__name__}"
            )
    own = getattr(method, "name", entry.name)
    if own != entry.name:
        raise ConfigError(f"expected the name {entry.name!r} in {where}, got {own!r}: make them equal")
