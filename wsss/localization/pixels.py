"""Scores of score maps against masks, pixel by pixel over a whole set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
# Peak_T is given on the scale of images.
_WHITE = 255


class PixelScores:
    """PxAP and PIoU: precision and recall of pixels at many thresholds, from two histograms.

    Ground truth chooses PIoU's threshold: it is an oracle figure.

    Source: Choe et al., "Evaluation for Weakly Supervised Object Localization", and wsolevaluation (PxAP);
        Zhai et al., IJCV 2023, and its code (PIoU).

    >>> scores = PixelScores()
    >>> scores.update(np.array([[0.9, 0.8], [0.2, 0.6]]), np.array([[1, 1], [0, 255]], np.uint8))
    >>> scores.compute()
    {'PxAP': 100.0, 'PIoU': 100.0}
    """

    def __init__(self, *, step: float = 0.001) -> None:
        """Start with no image.

        Args:
            step: width of the histograms' bins.

        Raises:
            ValueError: the step is out of range.
        """
        if not 0 < step <= 1:
            raise ValueError(f"expected a step in (0, 1], got {step}: change it")
        # The last ones give the value 1 a bin of its own, and an empty one after it.
        self.edges = np.append(np.arange(0, 1, step), [1.0, 2.0, 3.0])
        self._step = step
        self._true = np.zeros(len(self.edges) - 1, np.int64)
        self._false = np.zeros_like(self._true)

    def update(self, score_map: NDArray[Any], mask: NDArray[Any]) -> None:
        """Count one image.

        Args:
            score_map: (h, w) float in [0, 1].
            mask: (h, w) uint8, 1 the object, 0 the rest, 255 ignored.

        Raises:
            ValueError: other shapes or values.
        """
        if score_map.shape != mask.shape or score_map.ndim != 2 or score_map.dtype.kind != "f":
            raise ValueError(
                f"expected a score map of floats and a mask of one shape (h, w), got {score_map.dtype} "
                f"{score_map.shape} and {mask.shape}: bring both to one grid"
            )
        if score_map.size and not (score_map.min() >= 0 and score_map.max() <= 1):
            raise ValueError(
                f"expected a score map in [0, 1], got {score_map.min():.3g} to {score_map.max():.3g}: "
                "use normalize_score_map"
            )
        is_true, is_false = mask == 1, mask == 0
        if not (is_true | is_false | (mask == IGNORE)).all():
            raise ValueError(f"expected a mask of 0, 1 and {IGNORE}, got {np.unique(mask)[:5].tolist()}")
        bins = self._bins(score_map)
        self._true += np.bincount(bins[is_true], minlength=len(self._true))
        self._false += np.bincount(bins[is_false], minlength=len(self._false))

    def compute(self) -> dict[str, float]:
        """Figures in percent.

        Returns:
            ``PxAP``, the area under precision over recall, summed over the bins; ``PIoU``, the highest IoU of
            any threshold.

        Raises:
            ValueError: no pixel of an object was counted.
        """
        hits, alarms, total = self._cumulated()
        called = hits + alarms
        precision = np.divide(hits, called, out=np.zeros(len(hits)), where=called > 0)
        area = (precision[1:] * np.diff(hits / total)).sum()
        return {"PxAP": float(100 * area), "PIoU": float(self.iou_curve()[1].max())}

    def iou_curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """IoU over the whole set at every threshold.

        Returns:
            Rising thresholds (T,), of which values at and above are the object, and IoU (T,) in percent.

        Raises:
            ValueError: no pixel of an object was counted.
        """
        hits, alarms, total = self._cumulated()
        return self.edges[:-1], (100 * hits / (total + alarms))[::-1]

    def peak(self) -> dict[str, float]:
        """Where the IoU is highest, on the scale of images.

        Returns:
            ``Peak_T``, the threshold in 0..255, the lowest of several, and ``Peak_IoU`` in percent, which
            is PIoU.

        Raises:
            ValueError: no pixel of an object was counted.

        Source: Zhang et al. (SEM, 2020) define both without saying whether pixels are summed over the set
            and whether a pixel at the threshold counts. Here they are, and it does.
        """
        thresholds, values = self.iou_curve()
        best = int(values.argmax())
        return {"Peak_T": float(_WHITE * thresholds[best]), "Peak_IoU": float(values[best])}

    def _cumulated(self) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Pixels at and above each edge, the highest edge first: of objects, of the rest; all of objects."""
        total = int(self._true.sum())
        if total == 0:
            raise ValueError("expected pixels of objects in the masks, got none: call update with such masks")
        return self._true[::-1].cumsum(), self._false[::-1].cumsum(), total

    def _bins(self, score_map: NDArray[Any]) -> NDArray[np.int64]:
        """Index of each value's bin, as numpy.histogram has it, without sorting the values."""
        values = score_map.astype(np.float64)
        last = len(self.edges) - 3
        guess = np.minimum((values / self._step).astype(np.int64), last)
        # Rounding may put a value on the wrong side of an edge.
        guess -= values < self.edges[guess]
        guess += values >= self.edges[guess + 1]
        return guess
