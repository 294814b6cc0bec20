"""Predictions of a published network on another split, such as VOC's test images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS, TASK_UTILS

from segment.infer import PREDICTIONS, PREDICTIONS_CRF, write_predictions
from segment.stage import CONFIG, prediction_settings
from segment.train import NETWORK, load_segmentor
from wsss.artifacts import open_artifact
from wsss.config_data import read_config_data
from wsss.datasets import DataSet
from wsss.errors import ArtifactError


def predict_split(published: Path, dataset: DataSet, split: str) -> Path:
    """Predict a split with a published network, beside the predictions that were published with it.

    Images that were predicted before are left as they are.

    Args:
        published: folder of the stage ``segment``.
        dataset: where the images are; of the classes that the network was trained on.
        split: name of the split.

    Returns:
        The folder of ``ID.png``: after the dense CRF where the network's config asks for it.

    Raises:
        ArtifactError: nothing is published there, or a network of other classes.
        DataError: there is no such split.
    """
    artifact = open_artifact(published)
    config_file, weights = published / CONFIG, published / "train" / NETWORK
    if artifact.kind != "segment" or not (config_file.is_file() and weights.is_file()):
        raise ArtifactError(
            f"expected a trained network ({CONFIG} and train/{NETWORK}) in {published}, found none: "
            "run the stage segment"
        )
    classes = tuple(artifact.manifest.get("classes", dataset.classes))
    if classes != tuple(dataset.classes):
        raise ArtifactError(
            f"expected a network of the {len(dataset.classes)} classes of {dataset.name} in {published}, got "
            f"one of {len(classes)} ({', '.join(classes[:3])}, ...): choose another work folder"
        )
    config = Config(read_config_data(config_file))
    for table in ("model", "infer"):
        if not isinstance(config.get(table), Mapping):
            raise ArtifactError(
                f"expected a table {table!r} in {config_file}, found none: run the stage segment again"
            )
    write_predictions(
        load_segmentor(plain_model(config.model, config_file), weights),
        dataset,
        dataset.ids(split),
        out_dir=published,
        split=split,
        **prediction_settings(config),
    )
    return published / (PREDICTIONS_CRF if config.infer.crf else PREDICTIONS) / split


# Where initial weights come from: the trained ones replace them, and an address could be among them.
_INITIAL = ("pretrained", "init_cfg", "checkpoint_path")


def plain_model(model: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """A network's settings out of a published folder, so that building it runs nothing but known networks.

    mmengine takes a ``type`` that nobody registered for the path of any function of any package, and calls
    it.

    Args:
        model: table ``model`` of the config.
        source: where it was read, for the message.

    Returns:
        A copy without initial weights.

    Raises:
        ArtifactError: a type that no network, layer or loss is registered under.
    """
    MODELS.import_from_location()
    kind = model.get("type")
    if kind is not None and not _is_registered(kind):
        raise ArtifactError(
            f"expected registered networks and layers in {source}, got type {kind!r}: do not use this folder"
        )
    return {key: _plain(value, source) for key, value in model.items() if key not in _INITIAL}


def _plain(value: Any, source: Path) -> Any:
    if isinstance(value, Mapping):
        return plain_model(value, source)
    return [_plain(one, source) for one in value] if isinstance(value, list | tuple) else value


def _is_registered(kind: Any) -> bool:
    registries = (MODELS, MODELS.parent, TASK_UTILS, TASK_UTILS.parent)
    return isinstance(kind, str) and any(kind in one.module_dict for one in registries)
