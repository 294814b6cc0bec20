"""Watches the maps of each class while they are trained: an average hides channels that died."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from seeds.model import BASNet
from wsss.log import logger

EMPTY, FULL = 0.02, 0.98


class WatchMaps(Hook):
    """Logs area and background suppression of the drawn class, per class; warns of dead channels."""

    def __init__(self, network: BASNet, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.area: dict[str, float] = {}
        self.background: dict[str, float] = {}
        self._sums = torch.zeros(3, len(classes))
        network.observer = self._observe

    def _observe(self, terms: dict[str, Tensor]) -> None:
        drawn = terms["drawn_class"].cpu()
        rows = (torch.ones_like(terms["image_area"]), terms["image_area"], terms["image_background"])
        for row, values in enumerate(rows):
            self._sums[row].index_add_(0, drawn, values.detach().cpu().float())

    def after_train_epoch(self, runner: Runner) -> None:
        """Write one line per epoch and start counting anew."""
        count, area, background = self._sums
        seen = [index for index in range(len(self.classes)) if count[index] > 0]
        if not seen:
            return
        self.area = {self.classes[i]: round(float(area[i] / count[i]), 4) for i in seen}
        self.background = {self.classes[i]: round(float(background[i] / count[i]), 4) for i in seen}
        shown = ", ".join(f"{name} {self.area[name]:.2f}/{self.background[name]:.2f}" for name in self.area)
        logger.info("maps after epoch %d, area/L_bas: %s", runner.epoch + 1, shown)
        dead = [name for name, value in self.area.items() if not EMPTY < value < FULL]
        if dead:
            logger.warning("maps empty or full after epoch %d: %s", runner.epoch + 1, ", ".join(dead))
        self._sums = torch.zeros_like(self._sums)

    def figures(self) -> dict[str, Any]:
        """Area and L_bas per class in the last epoch, in [0, 1]."""
        return {"map_area": self.area, "map_background_suppression": self.background}
