"""The stages by name. Only this module, the plan and the verbs know that there are three of them."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from wsss import config as settings
from wsss.presets import CONFIG_DIR
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


def settings_by_folder(
    dataset: str, options: Sequence[str] = (), *, stages: Sequence[str] = tuple(STAGES)
) -> dict[str, tuple[Stage, settings.Settings]]:
    """Folder name (``seeds``, ``seeds-cam``, ...) -> the stage and the settings that fill it.

    Args:
        dataset: name of the presets; stages without one of that name are left out.
        options: overrides, as after ``--cfg-options``.
        stages: to look at; each takes a while to import.

    Raises:
        ConfigError: an override that cannot be.
    """
    found = {}
    for name in stages:
        if not (CONFIG_DIR / name / f"{dataset}.py").is_file():
            continue
        stage, own = load_stage(name), settings.options_of(name, options, tuple(STAGES))
        main = settings.load_settings(stage, dataset, options=own)
        found[stage.writes] = (stage, main)
        for variant, file in (main.config.get("baselines") or {}).items():
            path = CONFIG_DIR / name / file
            baseline = settings.load_settings(stage, dataset, path=path, options=own)
            found[f"{stage.writes}-{variant}"] = (stage, baseline)
    return found
