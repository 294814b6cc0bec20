"""Watches the maps of each class while they are trained: an average hides channels that died."""

from typing import Any, Literal

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from seeds.model import BASNet
from wsss.distributed import sum_up
from wsss.errors import TrainingError
from wsss.log import logger

EMPTY, FULL = 0.02, 0.98
# Small objects rightly have small maps. An empty map counts as dead only where L_bas is at least this: where
# the evidence of the class lies outside the map.
EVIDENCE = 0.5
# A class is judged in an epoch that drew it this often, and dead after as many epochs in a row.
DRAWS, EPOCHS = 5, 2


class WatchMaps(Hook):
    """Logs area and background suppression of the drawn class, per class; stops where channels died.

    A sigmoid that is empty or full gives no gradient, so a dead channel does not come back.
    """

    def __init__(
        self, network: BASNet, classes: tuple[str, ...], *, on_dead: Literal["stop", "warn"] = "stop"
    ) -> None:
        """Listen to a network.

        Args:
            network: calls the hook with the terms of each step.
            classes: names of the C classes.
            on_dead: stop the training when maps are dead for two epochs in a row, or only warn.
        """
        self.classes = classes
        self.on_dead = on_dead
        self.area: dict[str, float] = {}
        self.background: dict[str, float] = {}
        self._sums = torch.zeros(3, len(classes))
        self._classification = torch.zeros(())
        self._epochs_dead = dict.fromkeys(classes, 0)
        network.observer = self._observe

    def _observe(self, terms: dict[str, Tensor]) -> None:
        # Kept where the network is: reading them at every step would let a GPU wait.
        rows = (torch.ones_like(terms["image_area"]), terms["image_area"], terms["image_background"])
        self._sums = self._sums.to(terms["image_area"].device)
        for row, values in enumerate(rows):
            self._sums[row].index_add_(0, terms["drawn_class"], values.detach().float())
        self._classification = terms["classification"].detach()

    def after_train_epoch(self, runner: Runner) -> None:
        """Write one line per epoch, judge the maps and start counting anew.

        Raises:
            TrainingError: maps died.
        """
        count, area, background = sum_up(self._sums.cpu())
        seen = [index for index in range(len(self.classes)) if count[index] > 0]
        if not seen:
            return
        self.area = {self.classes[i]: round(float(area[i] / count[i]), 4) for i in seen}
        self.background = {self.classes[i]: round(float(background[i] / count[i]), 4) for i in seen}
        shown = ", ".join(f"{name} {self.area[name]:.2f}/{self.background[name]:.2f}" for name in self.area)
        logger.info("maps after epoch %d, area/L_bas: %s", runner.epoch + 1, shown)
        self._judge([self.classes[i] for i in seen if count[i] >= DRAWS], runner)
        self._sums = torch.zeros_like(self._sums)

    def _judge(self, names: list[str], runner: Runner) -> None:
        """Count the epochs for which maps have been dead."""
        for name in names:
            area, background = self.area[name], self.background[name]
            is_dead = area > FULL or (area < EMPTY and background > EVIDENCE)
            self._epochs_dead[name] = self._epochs_dead[name] + 1 if is_dead else 0
        dying = [name for name in self.classes if self._epochs_dead[name]]
        if dying:
            logger.warning("maps empty or full after epoch %d: %s", runner.epoch + 1, ", ".join(dying))
        dead = [name for name in dying if self._epochs_dead[name] >= EPOCHS]
        if not dead or self.on_dead == "warn":
            return
        figures = ", ".join(f"{name} {self.area[name]:.3f}/{self.background[name]:.2f}" for name in dead)
        raise TrainingError(
            f"expected living maps, got maps that stay empty or full at step {runner.iter} (area/L_bas: "
            f"{figures}; classification loss {self._classification:.2f}): set model.normalize_features=True, "
            "lower train.generator_factor or raise model.warmup_epochs until the classification loss is "
            "below 1, or go on with train.on_dead_maps=warn"
        )

    def figures(self) -> dict[str, Any]:
        """Area and L_bas per class in the last epoch, in [0, 1]; nothing where no epoch was seen."""
        if not self.area:
            return {}
        return {"map_area": self.area, "map_background_suppression": self.background}
