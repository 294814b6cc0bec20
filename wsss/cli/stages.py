"""The stages by name. Only this module, the plan and the verbs know that there are three of them."""

import importlib
from pathlib import Path

from mmengine.config import Config

from wsss import config as settings
from wsss.stage import Stage

STAGES = {"seeds": "seeds.stage:STAGE", "refine": "refine.stage:STAGE", "segment": "segment.stage:STAGE"}
# Kind of an artifact -> the stage that publishes it.
MAKERS = {"seeds": "seeds", "masks": "refine", "segment": "segment"}


def load_stage(name: str) -> Stage:
    """Import a stage by its name on the command line."""
    module, _, attribute = STAGES[name].partition(":")
    stage: Stage = getattr(importlib.import_module(module), attribute)
    return stage


def load_config(
    stage: str, dataset: str, *, path: str | Path | None = None, options: tuple[str, ...] | list[str] = ()
) -> Config:
    """`wsss.config.load_config` by the stage's name.

    Raises:
        ConfigError: as there.
    """
    return settings.load_config(load_stage(stage), dataset, path=path, options=options)
