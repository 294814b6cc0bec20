"""Seed methods as values: what each of them owns, and where a method is found by its name."""

from seeds.contract import (
    MapKind,
    Plan,
    Predictor,
    SeedMethod,
    Seeds,
    Training,
    parameter_groups,
)
from seeds.methods.table import BUILT_IN, GROUP, check_settings, find_method, method_defaults, method_of_key
from seeds.methods.trained import TrainedMethod

__all__ = [
    "BUILT_IN",
    "GROUP",
    "MapKind",
    "Plan",
    "Predictor",
    "SeedMethod",
    "Seeds",
    "TrainedMethod",
    "Training",
    "check_settings",
    "find_method",
    "method_defaults",
    "method_of_key",
    "parameter_groups",
]
