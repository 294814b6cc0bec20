"""Predictions of a published network on another split, such as VOC's test images."""

from pathlib import Path

from segment.infer import PREDICTIONS, PREDICTIONS_CRF, write_predictions
from segment.segmentor import load_segmentor
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
    segmentor = load_segmentor(published)
    if segmentor.classes != tuple(dataset.classes):
        raise ArtifactError(
            f"expected a network of the {len(dataset.classes)} classes of {dataset.name} in {published}, got "
            f"one of {len(segmentor.classes)} ({', '.join(segmentor.classes[:3])}, ...): choose another work "
            "folder"
        )
    write_predictions(
        segmentor.network,
        dataset,
        dataset.ids(split),
        out_dir=published,
        split=split,
        **segmentor.infer,
    )
    return published / (PREDICTIONS_CRF if segmentor.infer["crf"] else PREDICTIONS) / split
