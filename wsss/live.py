"""What a training writes for TensorBoard: its scalars, and what the network makes of a few images."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch import nn

from wsss.distributed import is_main
from wsss.report.layers import Layer
from wsss.report.pictures import draw_layer

FOLDER = "tensorboard"
_IMAGES = 4
_TIMES = 10


def tensorboard(out_dir: Path) -> dict[str, Any]:
    """Settings of mmengine's visualizer: a training's scalars go to ``out_dir / "tensorboard"``."""
    backend = {"type": "TensorboardVisBackend", "save_dir": str(out_dir / FOLDER)}
    return {"type": "Visualizer", "vis_backends": [backend]}


def strip(image: NDArray[np.uint8], layers: Iterable[Layer]) -> NDArray[np.uint8]:
    """An image, and beside it the image below each layer.

    Args:
        image: (H, W, 3) uint8 RGB.
        layers: N of them, of this image.

    Returns:
        (H, (N + 1) * W, 3) uint8 RGB.
    """
    return np.hstack([image, *(draw_layer(image, one) for one in layers)])


class PictureHook(Hook):
    """Draws what a network makes of the first images it was trained on, ten times in a training.

    The images stay the same, crops and flips included, so that the pictures show the network's progress. The
    training is not changed: the network computes in evaluation mode and draws no random number.
    """

    priority = "LOW"

    def __init__(
        self, network: nn.Module, draw: Callable[[Mapping[str, Any]], Iterable[NDArray[np.uint8]]]
    ) -> None:
        """Listen to a training.

        Args:
            network: what is trained.
            draw: a batch of up to four images, as the data loader gives it -> a picture (H, W, 3) uint8 RGB
                of each.
        """
        self.network = network
        self.draw = draw
        self._batch: dict[str, Any] | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Keep the images of the first step; draw them a tenth of the training later, and so on."""
        if not is_main():
            return
        if self._batch is None:
            self._batch = {name: values[:_IMAGES] for name, values in data_batch.items()}
        step = runner.iter + 1
        if step % max(runner.max_iters // _TIMES, 1):
            return
        was_training = self.network.training
        self.network.eval()
        with torch.no_grad():
            pictures = list(self.draw(self._batch))
        self.network.train(was_training)
        for number, picture in enumerate(pictures):
            runner.visualizer.add_image(f"image {number}", picture, step=step)
