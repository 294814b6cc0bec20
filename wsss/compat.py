"""Repairs for third-party packages that do not fit each other, made at the moment one of them is imported.

`apply` only puts a finder in front of the import system: it imports nothing itself, so a command that needs
no network starts fast, and it touches nothing where the installation is healthy.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

_Execute = Callable[[types.ModuleType], None]
_NO_SCHEMA = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_keep_alive: list[object] = []


def apply() -> None:
    """Put the repairs in place; a second call changes nothing.

    It must run before torchvision, timm, mmengine's Runner or mmseg are imported. That is why
    ``wsss/__init__`` calls it and every stage package imports ``wsss`` first.
    """
    if not any(isinstance(finder, _RepairingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RepairingFinder())
    if "mmengine.runner.checkpoint" in sys.modules:
        _allow_checkpoint_classes()


class _RepairingFinder(importlib.abc.MetaPathFinder):
    """Lets the other finders find a module and puts our repair around its execution."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Spec of a module that may need a repair; None leaves every other module to the other finders."""
        repair = _REPAIRS.get(fullname)
        if repair is None:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _RepairingFinder) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                _wrap_execution(spec, repair)
                return spec
        return None


def _wrap_execution(
    spec: importlib.machinery.ModuleSpec, repair: Callable[[types.ModuleType, _Execute], None]
) -> None:
    """Make the spec's own loader execute its module through a repair."""
    if spec.loader is None:
        return
    execute = spec.loader.exec_module

    def execute_repaired(module: types.ModuleType) -> None:
        repair(module, execute)

    # On the loader's instance, which belongs to this spec alone: all else about the loader stays as it was.
    spec.loader.exec_module = execute_repaired  # type: ignore[method-assign]


def _execute_torchvision(module: types.ModuleType, execute: _Execute) -> None:
    """Import torchvision also where its compiled operators do not load, as on some CPU builds of torch.

    Its Python part then registers rules for operators that nobody defined and fails. The two schemas it asks
    for are enough: networks, transforms and data sets work; ``ops.nms`` and ``io.decode_jpeg`` still raise
    when called.
    """
    try:
        execute(module)
    except RuntimeError as error:
        if _NO_SCHEMA not in str(error):
            raise
        for name in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[name]
        import torch.library

        library = torch.library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            library.define(schema)
        # The schemas would go with the object that defined them.
        _keep_alive.append(library)
        execute(module)


def _execute_mmcv_ops(module: types.ModuleType, execute: _Execute) -> None:
    """Import ``mmcv.ops`` without mmcv's compiled part, which mmcv-lite leaves out.

    mmseg imports it, but no network here calls it. The stand-in goes again at once: mmengine's Runner looks
    for ``mmcv._ext`` to report its version and stumbles over a module without a spec.
    """
    if importlib.util.find_spec("mmcv._ext") is not None:
        execute(module)
        return
    sys.modules["mmcv._ext"] = _MissingExtension("mmcv._ext")
    try:
        execute(module)
    finally:
        del sys.modules["mmcv._ext"]


class _MissingExtension(types.ModuleType):
    """Stand-in for ``mmcv._ext``: has every function by name, and each raises when called."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def raise_missing(*_: object, **__: object) -> None:
            raise NotImplementedError(
                f"expected mmcv's compiled operators for mmcv._ext.{name}, got mmcv-lite, which has none: "
                "choose a network that does not need them"
            )

        return raise_missing


def _execute_device(module: types.ModuleType, execute: _Execute) -> None:
    """Let mmengine train on the CPU of a Mac, and not on its GPU.

    Apple's knows no float64, which losses are read in, and lacks operators that images are scaled by; a
    training there would end at its first step.
    """
    execute(module)
    if getattr(module, "DEVICE", None) == "mps":
        module.DEVICE = "cpu"  # type: ignore[attr-defined]


def _execute_checkpoint(module: types.ModuleType, execute: _Execute) -> None:
    """Import mmengine's checkpoint functions and let torch read what they write."""
    execute(module)
    _allow_checkpoint_classes()


def _allow_checkpoint_classes() -> None:
    """Let ``torch.load`` read the checkpoints that mmengine writes here.

    torch loads with ``weights_only=True`` and refuses the log history that mmengine stores
    beside the weights. Its arrays of numbers are allowed. The methods stored with it are left out of the file
    instead, as they would need ``getattr``, with which a file could run code; mmengine sets them again when
    it loads.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer

    HistoryBuffer.__getstate__ = _get_history_state
    # What a pickled array and a pickled number call; asked of numpy, as the functions moved in 2.0.
    calls: list[Any] = [np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
    dtypes = [type(np.dtype(kind)) for kind in (np.float64, np.int64)]
    torch.serialization.add_safe_globals([HistoryBuffer, *calls, np.ndarray, np.dtype, *dtypes])


def _get_history_state(history: Any) -> dict[str, Any]:
    """What a pickled ``HistoryBuffer`` holds: its numbers without its methods."""
    return {name: value for name, value in vars(history).items() if name != "statistics_methods"}


_REPAIRS: dict[str, Callable[[types.ModuleType, _Execute], None]] = {
    "torchvision": _execute_torchvision,
    "mmcv.ops": _execute_mmcv_ops,
    "mmengine.device.utils": _execute_device,
    "mmengine.runner.checkpoint": _execute_checkpoint,
}
