"""Predictions of a few crops while a network is trained, for TensorBoard."""

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsss.live import strip
from wsss.report.layers import Layer


def draw_predictions(network: Any, batch: Mapping[str, Any]) -> Iterator[NDArray[np.uint8]]:
    """Each crop with the mask that it is trained on and what the network predicts.

    Args:
        network: a segmentor of mmsegmentation.
        batch: ``inputs``, (3, H, W) uint8 each, and ``data_samples`` with their masks.
    """
    for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
        # One by one: crops of small images differ in size.
        inputs = network.data_preprocessor({"inputs": [image], "data_samples": [sample]}, False)["inputs"]
        predicted = network(inputs, mode="tensor").argmax(dim=1)[0].byte().cpu().numpy()
        picture = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        size = picture.shape[1::-1]
        prediction = cv2.resize(predicted, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        mask = sample.gt_sem_seg.data[0].numpy().astype(np.uint8)
        yield strip(picture, [Layer("mask", "labels", mask), Layer("prediction", "labels", prediction)])
