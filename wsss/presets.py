"""Presets by name: where their files lie, and what was meant where there is none."""

import difflib
from pathlib import Path

from wsss.errors import ConfigError
from wsss.paths import PROJECT_ROOT

CONFIG_DIR = PROJECT_ROOT / "configs"


def find_config(stage: str, dataset: str, *, path: str | Path | None = None) -> Path:
    """File of a stage's preset for a data set, or the given one.

    Args:
        stage: name of the stage.
        dataset: name of the preset: ``configs/STAGE/DATASET.py``.
        path: a config file to use instead.

    Raises:
        ConfigError: no such file; the nearest name is given.
    """
    if path is not None:
        if Path(path).is_file():
            return Path(path)
        raise ConfigError(f"expected a config at {path}, found no file: correct --config")
    file = CONFIG_DIR / stage / f"{dataset}.py"
    if file.is_file():
        return file
    every = sorted(one.stem for one in file.parent.glob("*.py"))
    # Those of whole data sets come first in mind; the others name a method and a backbone too.
    plain = [one for one in every if (CONFIG_DIR / "_base_" / f"{one}.py").is_file()]
    close = difflib.get_close_matches(dataset.lower(), every, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    more = f", or one of {len(every) - len(plain)} more in {file.parent}" if len(every) > len(plain) else ""
    others = sorted(one.parent.name for one in CONFIG_DIR.glob(f"[!_]*/{dataset}.py"))
    if others:
        meant = f"that is one of the stage {' and '.join(others)}; "
    raise ConfigError(
        f"expected the name of a preset of the stage {stage}, got {dataset!r}: {meant}choose out of "
        f"{', '.join(plain)}{more}"
    )
