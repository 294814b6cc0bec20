"""The ground floor that all stages stand on; it imports none of them.

Importing any part of it puts the compatibility layer in place, so every stage package imports ``wsss`` first.
"""

from typing import Any

from wsss import compat

compat.apply()

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # The one name of a stage that people find here; torch and mmsegmentation are imported on first use.
    if name == "load_segmentor":
        from segment.segmentor import load_segmentor

        return load_segmentor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
