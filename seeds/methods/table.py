"""Finds a seed method by its name, and tells what it owns."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from seeds.contract import SeedMethod
from wsss.config import CONFIG_DIR, flatten
from wsss.errors import ConfigError
from wsss.methods import find, known_names
from wsss.optim import OPTIMIZERS
from wsss.ranges import COUNT, NOT_NEGATIVE, POSITIVE, PRECISION, SHARE, OneOf, Range, check_ranges

# Entry points of this group in installed packages are seed methods too.
GROUP = "wsss.seed_methods"
BUILT_IN = {
    "bas": "seeds.methods.bas:BAS",
    "cam": "seeds.methods.cam:CAM",
    "combine": "seeds.methods.combine:COMBINE",
}
COMMON_FILE = CONFIG_DIR / "_base_" / "seeds.py"
COMMON_RANGES: Mapping[str, Range | OneOf] = {
    "random_seed": NOT_NEGATIVE,
    "train.resize": COUNT,
    "train.crop": COUNT,
    "train.epochs": COUNT,
    "train.batch_size": COUNT,
    "train.optimizer": OneOf(OPTIMIZERS),
    "train.learning_rate": NOT_NEGATIVE,
    "train.layer_decay": Range(0, 1, above=True),
    "train.momentum": Range(0, 1, below=True),
    "train.poly_length": Range(1),
    "train.weight_decay": NOT_NEGATIVE,
    "train.num_workers": NOT_NEGATIVE,
    "train.amp": PRECISION,
    "infer.scales": POSITIVE,
    "infer.threshold": SHARE,
    "infer.amp": PRECISION,
}


def find_method(name: str) -> SeedMethod:
    """The seed method of a name, built-in or of an installed package.

    Raises:
        ConfigError: there is none (known names and the nearest are given), it cannot be imported, or a member
            of `SeedMethod` is missing.
    """
    method: SeedMethod = find(name, group=GROUP, table=BUILT_IN, protocol=SeedMethod)
    return method


def method_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults under a config: the settings that all methods share, and above them those of its method.

    Args:
        config: may have ``method``; without it the shared settings' own counts.

    Returns:
        Nested tables.

    Raises:
        ConfigError: there is no such method.
    """
    common = _common()
    method = find_method(config.get("method", common["method"]))
    return _merged(common, method.defaults) | {"method": method.name}


def method_of_key(key: str) -> list[str]:
    """Names of the methods that own a setting or a table of settings; methods that are broken have none."""
    return [name for name, defaults in _all_defaults() if key in _names(defaults)]


def check_settings(config: Mapping[str, Any]) -> None:
    """Refuse settings out of their ranges and settings that contradict each other; makes nothing.

    Raises:
        ConfigError: which setting, and what it may be.
    """
    method = find_method(config["method"])
    check_ranges(config, {**COMMON_RANGES, **method.ranges})
    method.check(config)


def _common() -> dict[str, Any]:
    common: dict[str, Any] = Config.fromfile(str(COMMON_FILE)).to_dict()
    return common


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested tables in one; the second one's values count."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _all_defaults() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in known_names(group=GROUP, table=BUILT_IN):
        try:
            yield name, find_method(name).defaults
        except ConfigError:
            continue


def _names(defaults: Mapping[str, Any]) -> set[str]:
    """Dotted names of the settings and of the tables above them."""
    leaves = [name.split(".") for name, _ in flatten(defaults)]
    return {".".join(parts[:depth]) for parts in leaves for depth in range(1, len(parts) + 1)}
