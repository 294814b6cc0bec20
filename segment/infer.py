"""Predictions of a trained network: mean softmax over scales and flips, published as palette PNGs."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from segment.crf import open_crf_writer
from wsss import distributed
from wsss.artifacts import grid_of, write_mask, write_seed
from wsss.datasets import DataSet
from wsss.images import read_image
from wsss.log import logger
from wsss.progress import track

PREDICTIONS = "predictions"
PREDICTIONS_CRF = "predictions_crf"
PROBABILITIES = "probabilities"
_SEEN = 0.01  # classes that stay below this everywhere are left out of the kept probabilities


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
    return predict_batch(network, [image], scales=scales, flip=flip)[0]


@torch.no_grad()
def predict_batch(
    network: Any, images: Sequence[NDArray[np.uint8]], *, scales: Sequence[float], flip: bool
) -> NDArray[np.float32]:
    """`predict_probabilities` of several images of one size at once.

    Args:
        network: a segmentor of mmsegmentation in evaluation mode.
        images: B of (H, W, 3) uint8 RGB.
        scales: factors on the images' size.
        flip: add the horizontal flip of each scale.

    Returns:
        (B, C+1, H, W) float32 in [0, 1], sums of 1 over the labels.

    Raises:
        ValueError: no scale.
    """
    if not scales:
        raise ValueError("expected at least one scale, got none: correct 'infer.scales'")
    normalizer = network.data_preprocessor
    device = normalizer.mean.device
    size, count = images[0].shape[:2], len(images)
    tensor = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()
    tensor = (tensor - normalizer.mean) / normalizer.std
    total = torch.zeros((), device=device)
    for scale in scales:
        scaled = [max(round(side * scale), 1) for side in size]
        batch = tensor if scale == 1 else F.interpolate(tensor, scaled, mode="bilinear", align_corners=False)
        logit = _logit(network, torch.cat([batch, batch.flip(3)]) if flip else batch)
        probability = F.interpolate(logit, size, mode="bilinear", align_corners=False).softmax(dim=1)
        total = total + (probability[:count] + probability[count:].flip(3) if flip else probability)
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
    probabilities: bool = False,
    num_workers: int = 0,
) -> dict[str, float]:
    """Write the label map of each image without one; several processes share the images.

    Args:
        network: a segmentor of mmsegmentation in evaluation mode.
        dataset: where the images are.
        image_ids: images of the split.
        out_dir: label maps go to ``predictions/SPLIT/ID.png`` below it, those after the dense CRF to
            ``predictions_crf/SPLIT/ID.png``, and probabilities to ``probabilities/SPLIT/ID.npz``.
        split: name of the split.
        scales: factors on the image's size.
        flip: add the horizontal flip of each scale.
        crf: run the dense CRF too.
        probabilities: keep the probabilities too, see `write_probabilities`.
        num_workers: processes for the dense CRF; 0 for one per CPU core, 1 for this process alone.

    Returns:
        Seconds per image that this process wrote: ``network``, and ``crf`` on one core. Empty where all
        files were there.
    """
    kinds = {PREDICTIONS: ".png"}
    if crf:
        kinds[PREDICTIONS_CRF] = ".png"
    if probabilities:
        kinds[PROBABILITIES] = ".npz"

    def file(kind: str, image_id: str) -> Path:
        return out_dir / kind / split / f"{image_id}{kinds[kind]}"

    own = distributed.shard(image_ids)
    todo = [one for one in own if not all(file(kind, one).is_file() for kind in kinds)]
    seconds = {}
    network.eval()
    with open_crf_writer(num_workers) if crf and todo else contextlib.nullcontext() as writer:
        inside = 0.0
        for image_id in track(todo, f"predict {split}"):
            image = read_image(dataset.image_file(image_id))
            begin = time.monotonic()
            found = predict_probabilities(network, image, scales=scales, flip=flip)
            inside += time.monotonic() - begin
            if probabilities:
                write_probabilities(file(PROBABILITIES, image_id), found)
            if writer is not None:
                writer.write(file(PREDICTIONS_CRF, image_id), image, found)
            write_mask(file(PREDICTIONS, image_id), found.argmax(axis=0))
    if todo:
        seconds["network"] = inside / len(todo)
        if writer is not None:
            seconds["crf"] = writer.seconds / len(todo)
        shown = ", ".join(f"{value:.3f} s in the {name}" for name, value in seconds.items())
        logger.info("predict %s: per image %s", split, shown)
    distributed.wait()
    return {name: round(value, 4) for name, value in seconds.items()}


def write_probabilities(path: Path, probabilities: NDArray[np.float32]) -> None:
    """Write the mean softmax of one image in the form of seeds: at stride 4, half precision.

    Background has no map: it is what the maps leave of 1. Classes that stay below .01 are left out.

    Args:
        path: the ``ID.npz`` to write.
        probabilities: (C+1, H, W) float32 in [0, 1], sums of 1 over the labels.
    """
    height, width = probabilities.shape[1:]
    grid = grid_of((height, width))
    full = torch.from_numpy(probabilities)[None]
    maps = F.interpolate(full, grid, mode="bilinear", align_corners=False)[0].clamp(0, 1).numpy()
    classes = 1 + np.flatnonzero(maps[1:].reshape(len(maps) - 1, -1).max(axis=1) >= _SEEN)
    write_seed(path, classes=classes, maps=maps[classes], size=(height, width))


def _logit(network: Any, batch: torch.Tensor) -> torch.Tensor:
    """Logits (B, C+1, h, w) of normalized images, through windows where the network has them."""
    if network.test_cfg.mode == "whole":
        logit: torch.Tensor = network(batch, mode="tensor")
        return logit
    shape = tuple(batch.shape[2:])
    slid: torch.Tensor = network.slide_inference(
        batch, [{"img_shape": shape, "ori_shape": shape}] * len(batch)
    )
    return slid
