"""Whether this machine can run the pipeline: versions, GPU, dense CRF, disk, memory, data."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from wsss.config import load_dataset_settings
from wsss.datasets import build_dataset
from wsss.datasets.made import NotMadeError, only_looking
from wsss.errors import WsssError
from wsss.paths import PROJECT_ROOT, resolve_path
from wsss.presets import CONFIG_DIR
from wsss.processes import available_cores

# An environment, checkpoints, and the masks and edges of voc.
_DISK_GIB = 10
_MEMORY_GIB = 4


class Check(NamedTuple):
    """One row: what was looked at, "ok", "missing" (some things need it) or "bad", and what was found."""

    name: str
    state: str
    found: str


def examine(work_dir: Path) -> list[Check]:
    """Look at everything.

    Args:
        work_dir: where artifacts will lie, for the free space.
    """
    return [_python(), *_packages(), _gpu(), _dense_crf(), _memory(), _disk(work_dir), *_data()]


def _python() -> Check:
    version, wanted = platform.python_version(), importlib.metadata.metadata("wsss")["Requires-Python"]
    fits = SpecifierSet(wanted).contains(version)
    return Check("python", "ok" if fits else "bad", f"{version} on {platform.system()}, expected {wanted}")


def _packages() -> Iterator[Check]:
    for text in importlib.metadata.requires("wsss") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            yield Check(
                wanted.name, "bad", f"not installed, expected {wanted.specifier or 'any'}: tools/setup.sh"
            )
            continue
        fits = wanted.specifier.contains(version, prereleases=True)
        found = version if fits else f"{version}, expected {wanted.specifier}: tools/setup.sh"
        yield Check(wanted.name, "ok" if fits else "bad", found)


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(
            "gpu", "missing", f"none, {available_cores()} CPU cores: enough for demo and the *_mini presets"
        )
    names = []
    for number in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(number).total_memory
        names.append(f"{torch.cuda.get_device_name(number)} ({memory / 2**30:.0f} GiB)")
    return Check("gpu", "ok", ", ".join(names))


def _dense_crf() -> Check:
    """Two halves of one image must come out as they went in."""
    try:
        from wsss.crf import crf_labels

        halves = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0)
        image = np.repeat(255 * halves[:, :, None], 3, axis=2).astype(np.uint8)
        fits = bool((crf_labels(image, halves, 2) == halves).all())
    # Whatever a broken build raises.
    except Exception as error:
        return Check("dense CRF", "bad", f"{type(error).__name__}: {error}: pip install pydensecrf2")
    return Check("dense CRF", "ok" if fits else "bad", "works" if fits else "gives wrong labels")


def _memory() -> Check:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    state = "ok" if total >= _MEMORY_GIB else "missing"
    return Check("memory", state, f"{total:.0f} GiB, voc wants {_MEMORY_GIB} and more")


def _disk(work_dir: Path) -> Check:
    there = next(folder for folder in (work_dir, *work_dir.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 2**30
    state = "ok" if free >= _DISK_GIB else "missing"
    if not os.access(there, os.W_OK):
        return Check("disk", "bad", f"{there} cannot be written: choose another --work-dir")
    return Check("disk", state, f"{free:.0f} GiB free at {there}, voc wants {_DISK_GIB}")


def _data() -> Iterator[Check]:
    stages = {file.stem for file in (CONFIG_DIR / "seeds").glob("*.py")}
    for name in sorted(stages & {file.stem for file in (CONFIG_DIR / "_base_").glob("*.py")}):
        yield _data_set(name)


def _data_set(name: str) -> Check:
    settings = load_dataset_settings(name)
    try:
        with only_looking():
            dataset = build_dataset(settings)
        splits = dict.fromkeys((settings["train_split"], settings["val_split"]))
        found = ", ".join(f"{split} {len(dataset.ids(split))}" for split in splits)
    except NotMadeError:
        return Check(f"data {name}", "ok", "made on the spot")
    except WsssError as error:
        return Check(f"data {name}", "missing", str(error))
    return Check(f"data {name}", "ok", f"{found} in {_short(settings['root'])}")


def _short(root: str | Path) -> str:
    path = resolve_path(root)
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)
