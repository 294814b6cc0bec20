"""Predictions of a trained network: mean softmax over scales and flips, published as palette PNGs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from wsss.artifacts import write_mask
from wsss.crf import crf_probabilities
from wsss.datasets import DataSet
from wsss.images import read_image
from wsss.progress import track

PREDICTIONS = "predictions"
PREDICTIONS_CRF = "predictions_crf"


@torch.no_grad()
def predict_probabilities(
    network: Any, image: NDArray[np.uint8], *, scales: Sequence[float], flip: bool
) -> NDArray[np.float32]:
    """Mean softmax of a network over scales and flips.

    Args:
        network: a segmentor of mmsegmentation in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.

    Returns:
        (C+1, H, W) float32 in [0, 1], sums of 1 over the labels.

    Raises:
        ValueError: no scale.
    """
    if not scales:
        raise ValueError("expected at least one scale, got none: correct 'infer.scales'")
    normaliser = network.data_preprocessor
    device = normaliser.mean.device
    size = image.shape[:2]
    tensor = torch.from_numpy(image).to(device).permute(2, 0, 1).float()
    tensor = ((tensor - normaliser.mean) / normaliser.std)[None]
    total = torch.zeros((), device=device)
    for scale in scales:
        scaled = [max(round(side * scale), 1) for side in size]
        batch = tensor if scale == 1 else F.interpolate(tensor, scaled, mode="bilinear", align_corners=False)
        logit = network(torch.cat([batch, batch.flip(3)]) if flip else batch, mode="tensor")
        probability = F.interpolate(logit, size, mode="bilinear", align_corners=False).softmax(dim=1)
        total = total + (probability[0] + probability[1].flip(2) if flip else probability[0])
    mean: NDArray[np.float32] = (total / (len(scales) * (1 + flip))).cpu().numpy()
    return mean


def write_predictions(
    network: Any,
    dataset: DataSet,
    image_ids: Sequence[str],
    *,
    out_dir: Path,
    split: str,
    scales: Sequence[float],
    flip: bool,
    crf: bool,
) -> None:
    """Write the label map of each image without one.

    Args:
        network: a segmentor of mmsegmentation in evaluation mode.
        dataset: where the images are.
        image_ids: images of the split.
        out_dir: label maps go to ``predictions/SPLIT/ID.png`` below it, those after the dense CRF to
            ``predictions_crf/SPLIT/ID.png``.
        split: name of the split.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        crf: run the dense CRF too.
    """
    folders = [out_dir / PREDICTIONS / split, *([out_dir / PREDICTIONS_CRF / split] if crf else [])]
    todo = [
        image_id
        for image_id in image_ids
        if not all((folder / f"{image_id}.png").is_file() for folder in folders)
    ]
    network.eval()
    for image_id in track(todo, f"predict {split}"):
        image = read_image(dataset.image_path(image_id))
        probabilities = predict_probabilities(network, image, scales=scales, flip=flip)
        write_mask(folders[0] / f"{image_id}.png", probabilities.argmax(axis=0))
        if crf:
            sharpened = crf_probabilities(image, probabilities)
            write_mask(folders[1] / f"{image_id}.png", sharpened.argmax(axis=0))
