"""Watches the maps of each class while they are trained: an average hides channels that died."""

from collections.abc import Mapping, Sequence
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
        self._sums: Tensor | None = None  # (3, L, C): draws, area, L_bas of each level's maps
        self._classification = torch.zeros(())
        self._epochs_dead = dict.fromkeys(classes, 0)
        network.observer = self._observe

    def _observe(self, terms: dict[str, Tensor]) -> None:
        # Kept where the network is: reading them at every step would let a GPU wait.
        area, background = terms["image_area"], terms["image_background"]
        rows = torch.stack([torch.ones_like(area), area, background]).float()
        if self._sums is None:
            self._sums = rows.new_zeros(*rows.shape[:2], len(self.classes))
        self._sums.index_add_(2, terms["drawn_class"], rows)
        self._classification = terms["classification"].detach()

    def after_train_epoch(self, runner: Runner) -> None:
        """Write one line per epoch, judge the maps and start counting anew.

        Raises:
            TrainingError: maps died.
        """
        if self._sums is None:
            return
        count, area, background = sum_up(self._sums.cpu())
        seen = [index for index in range(len(self.classes)) if count[0, index] > 0]
        if not seen:
            return
        levels = {self.classes[i]: torch.stack([area[:, i], background[:, i]], 1) / count[0, i] for i in seen}
        means = {name: figures.mean(dim=0).tolist() for name, figures in levels.items()}
        self.area = {name: round(mean, 4) for name, (mean, _) in means.items()}
        self.background = {name: round(mean, 4) for name, (_, mean) in means.items()}
        shown = ", ".join(f"{name} {self.area[name]:.2f}/{self.background[name]:.2f}" for name in self.area)
        logger.info("maps after epoch %d, area/L_bas: %s", runner.epoch + 1, shown)
        judged = [self.classes[i] for i in seen if count[0, i] >= DRAWS]
        self._judge({name: levels[name].tolist() for name in judged}, runner)
        self._sums = torch.zeros_like(self._sums)

    def _judge(self, levels: Mapping[str, Sequence[Sequence[float]]], runner: Runner) -> None:
        """Count the epochs for which the maps of a level have been dead: the mean of two would hide one."""
        found = {}
        for name, ones in levels.items():
            found[name] = [one for one in ones if _is_dead(*one)]
            self._epochs_dead[name] = self._epochs_dead[name] + 1 if found[name] else 0
        dying = [name for name in self.classes if self._epochs_dead[name]]
        if dying:
            logger.warning("maps empty or full after epoch %d: %s", runner.epoch + 1, ", ".join(dying))
        dead = [name for name in dying if self._epochs_dead[name] >= EPOCHS]
        if not dead or self.on_dead == "warn":
            return
        figures = ", ".join(
            f"{name} {area:.3f}/{background:.2f}" for name in dead for area, background in found[name]
        )
        raise TrainingError(
            f"expected living maps, got maps that stay empty or full at step {runner.iter} (area/L_bas: "
            f"{figures}; classification loss {self._classification:.2f}): set model.normalize_features=True, "
            "lower train.generator_factor or raise model.warmup_epochs until the classification loss is "
            "below 1, or go on with train.on_dead_maps=warn"
        )

    def figures(self) -> dict[str, Any]:
        """Area and L_bas per class in the last epoch, in [0, 1], means over the levels; nothing before it."""
        if not self.area:
            return {}
        return {"map_area": self.area, "map_background_suppression": self.background}


def _is_dead(area: float, background: float) -> bool:
    """Whether maps of this mean area and L_bas no longer get a gradient."""
    return area > FULL or (area < EMPTY and background > EVIDENCE)
