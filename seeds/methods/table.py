"""Finds a seed method by its name, and tells what it owns."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from seeds.contract import SeedMethod
from wsss.config import flatten
from wsss.errors import ConfigError
from wsss.methods import find, known_names
from wsss.optim import OPTIMIZERS
from wsss.ranges import COUNT, NOT_NEGATIVE, POSITIVE, PRECISION, SHARE_OR_TAGS, OneOf, Range, check_ranges
from wsss.thresholds import TAGS

# Entry points of this group in installed packages are seed methods too.
GROUP = "wsss.seed_methods"
BUILT_IN = {
    "bas": "seeds.methods.bas:BAS",
    "bas_localization": "seeds.methods.bas_localization_method:METHOD",
    "bcam": "seeds.methods.bcam_method:METHOD",
    "cam": "seeds.methods.cam:CAM",
    "combine": "seeds.methods.combine:COMBINE",
    "fam": "seeds.methods.fam_method:METHOD",
    "ornet": "seeds.methods.ornet_method:METHOD",
}
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
    "infer.threshold": SHARE_OR_TAGS,
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
    """Defaults of the method that a config names, in nested tables.

    Raises:
        ConfigError: there is no such method.
    """
    method = find_method(config["method"])
    # A copy, because configs are changed in place.
    return copy.deepcopy({**method.defaults, "method": method.name})


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
    # Both ask the network for the evidence outside a map.
    if config["infer"]["threshold"] == TAGS and "image_specific" not in config["infer"]:
        raise ConfigError(
            f"expected a number for infer.threshold with method={method.name!r}, got {TAGS!r}: set one, or "
            "take a method whose network can be asked for the evidence outside a map ('bas', 'cam')"
        )
    if config["infer"].get("image_specific") and config["infer"]["threshold"] in (0, 1):
        raise ConfigError(
            "expected infer.threshold above 0 and below 1 with infer.image_specific=True, got "
            f"{config['infer']['threshold']}: it is for maps that the network has no evidence for, set one"
        )
    method.check(config)


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
