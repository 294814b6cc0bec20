"""The data sets: one reader per kind of folder, chosen by ``dataset.type`` in the settings."""

import difflib
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

from wsss.datasets.base import DataSet
from wsss.datasets.coco import CocoDataSet
from wsss.datasets.demo import DemoDataSet
from wsss.datasets.demo_boxes import DemoBoxesDataSet
from wsss.datasets.folder import FolderDataSet
from wsss.datasets.localization import LocalizationDataSet
from wsss.datasets.made import NotMadeError
from wsss.datasets.voc import VOC_CLASSES, VocDataSet
from wsss.datasets.voc_boxes import VocBoxesDataSet
from wsss.errors import ConfigError, DataError
from wsss.paths import resolve_path

__all__ = [
    "DATASETS",
    "VOC_CLASSES",
    "CocoDataSet",
    "DataSet",
    "DemoBoxesDataSet",
    "DemoDataSet",
    "FolderDataSet",
    "LocalizationDataSet",
    "VocBoxesDataSet",
    "VocDataSet",
    "build_dataset",
]

DATASETS: dict[str, type[DataSet]] = {
    "coco": CocoDataSet,
    "demo": DemoDataSet,
    "demo_boxes": DemoBoxesDataSet,
    "folder": FolderDataSet,
    "voc": VocDataSet,
    "voc_boxes": VocBoxesDataSet,
    "wsol": LocalizationDataSet,
}

# Which splits a stage works on; the stages read these, the data sets do not.
_SPLIT_KEYS = ("train_split", "val_split", "score_split")


def build_dataset(cfg: Mapping[str, Any]) -> DataSet:
    """Open the data set that the settings describe.

    Args:
        cfg: ``config.dataset``: ``type``, the arguments of that data set, and the names of the splits.

    Raises:
        ConfigError: no or an unknown type, an argument that this type does not have, or a root that is no
            folder.
        DataError: the data are not there or cannot be made; a NotMadeError where they could be.
    """
    kind = cfg.get("type")
    if not isinstance(kind, str) or kind not in DATASETS:
        known_kinds = ", ".join(sorted(DATASETS))
        raise ConfigError(f"expected dataset.type to be one of {known_kinds}, got {kind!r}: choose one")
    known = [name for name in inspect.signature(DATASETS[kind]).parameters if name != "self"]
    settings = {key: value for key, value in cfg.items() if key not in ("type", *_SPLIT_KEYS)}
    for key in settings:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {nearest[0]}?" if nearest else "remove it"
            raise ConfigError(
                f"expected settings of data set type {kind} ({', '.join(known)}), got dataset.{key}: {advice}"
            )
    hints = typing.get_type_hints(DATASETS[kind].__init__)
    for key, value in settings.items():
        if not _fits(value, hints[key]):
            raise ConfigError(
                f"expected dataset.{key} of type {_type_name(hints[key])}, got {value!r}: correct the value"
            )
    try:
        return DATASETS[kind](**settings)
    except NotMadeError:
        raise
    except DataError as error:
        # Data that lack a part failed; a root that is no folder could be known from the call.
        if "root" in settings and not resolve_path(settings["root"]).is_dir():
            raise ConfigError(str(error)) from error
        raise


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the type of an annotation such as ``Mapping[str, int] | None``."""
    # Python 3.10 reads a default of None into the annotation, as a Union of its own.
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    kinds = typing.get_args(hint) if is_union else (hint,)
    plain = tuple(typing.get_origin(one) or one for one in kinds)
    if isinstance(value, bool) or (isinstance(value, str) and str not in plain):
        return bool in plain and isinstance(value, bool)
    return isinstance(value, plain)


def _type_name(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint)).replace("collections.abc.", "").replace("pathlib.", "")
