"""Predictions of a published network on another split, such as VOC's test images."""

from pathlib import Path

from mmengine.config import Config

from segment.infer import PREDICTIONS, PREDICTIONS_CRF, write_predictions
from segment.stage import CONFIG, prediction_settings
from segment.train import NETWORK, load_segmentor
from wsss.artifacts import open_artifact
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
    config = Config.fromfile(str(config_file))
    write_predictions(
        load_segmentor(config.model, weights),
        dataset,
        dataset.ids(split),
        out_dir=published,
        split=split,
        **prediction_settings(config),
    )
    return published / (PREDICTIONS_CRF if config.infer.crf else PREDICTIONS) / split
