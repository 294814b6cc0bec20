"""Checkpoints of an interrupted training, which may lie in a folder that came from elsewhere.

mmengine takes more from a checkpoint than numbers: it loads whatever path or address ``last_checkpoint``
names, runs the config that is stored in it as Python, and deletes the file that it calls the best so far.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

POINTER = "last_checkpoint"


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint in a folder that a training continues from; None: it starts anew.

    Only the name in ``last_checkpoint`` counts, so a folder may be moved, and cannot name a file outside it
    or an address.
    """
    try:
        name = Path((folder / POINTER).read_text(encoding="utf-8").strip()).name
    except (OSError, ValueError):
        return None
    file = folder / name
    return file if file.suffix == ".pth" and file.is_file() and not file.is_symlink() else None


class PlainCheckpoint(Hook):
    """Takes out of a checkpoint what mmengine would run, and keeps the files that it names in its folder."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Clean a checkpoint before mmengine continues from it."""
        meta = checkpoint.get("meta")
        if isinstance(meta, dict):
            meta.pop("config", None)
        hub = checkpoint.get("message_hub")
        known = hub.get("runtime_info") if isinstance(hub, Mapping) else None
        if not isinstance(known, dict):
            return
        for key, value in known.items():
            if key.startswith("best_ckpt") or key == "last_ckpt":
                known[key] = str(Path(runner.work_dir) / Path(str(value)).name)
            elif key == "keep_ckpt_ids":
                known[key] = [step for step in value if isinstance(step, int)]
