"""MaxBoxAccuracy against findContours at each threshold: milliseconds an image, and the ratio of both.

``python benchmarks/box_metrics.py [--images N] [--noise]``. Maps of 28 x 28 like a network's (a blob and a
little noise) on the grid of 224 x 224, one true box each; ``--noise`` adds maps of noise alone, which have
thousands of contours. Both ways take turns in one process with one thread, and each time is the better of
two. Both must give the same curves; the benchmark stops where they do not.
"""

import argparse
import time

import cv2
import numpy as np

from ratios import print_ratio
from wsss.localization import GRID, MaxBoxAccuracy, box_iou, normalize_score_map

STEPS = (0.01, 0.001)


class EachThreshold:
    """The same accuracy, with all contours traced anew at each threshold, as the protocol describes it."""

    def __init__(self, step: float, ious=(0.3, 0.5, 0.7)) -> None:
        self.thresholds = np.arange(0, 1, step)
        self.ious = np.array(ious)
        self.hits = np.zeros((2, len(ious), len(self.thresholds)))
        self.images = 0

    def update(self, score_map, boxes) -> None:
        """Count one image."""
        height, width = score_map.shape
        pixels = (score_map * 255).astype(np.uint8)
        self.images += 1
        for index, threshold in enumerate(self.thresholds):
            cut = int(threshold * pixels.max())
            _, binary = cv2.threshold(pixels, cut, 255, cv2.THRESH_BINARY)
            contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            found = [(0, 0, 0, 0)]
            largest = 0
            if contours:
                found = [cv2.boundingRect(one) for one in contours]
                found = [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in found]
                largest = int(np.argmax([cv2.contourArea(one) for one in contours]))
            overlap = box_iou(np.array(found), boxes).max(axis=1)
            self.hits[0, :, index] += overlap[largest] >= self.ious
            self.hits[1, :, index] += overlap.max() >= self.ious

    def curves(self):
        """(2, len(ious), len(thresholds)) in percent."""
        return 100 * self.hits / self.images


def blob(index: int) -> np.ndarray:
    """A map with one object, like those of a network."""
    rng = np.random.default_rng(index)
    rows, columns = np.mgrid[:28, :28]
    (y, x), (high, wide) = rng.uniform(8, 20, 2), rng.uniform(3, 8, 2)
    smooth = np.exp(-(((rows - y) / high) ** 2) - ((columns - x) / wide) ** 2)
    return smooth + rng.uniform(0.01, 0.08) * rng.normal(size=(28, 28))


def noise(index: int) -> np.ndarray:
    """A map without any object."""
    return np.random.default_rng(index).random((28, 28))


def boxes_for(index: int) -> np.ndarray:
    """A true box of about the blob's size."""
    rng = np.random.default_rng(index)
    (y, x), (high, wide) = 8 * rng.uniform(8, 20, 2), 8 * rng.uniform(3, 8, 2)
    return np.array([[x - wide, y - high, x + wide, y + high]]).clip(0, 223).astype(int)


def milliseconds(metric, maps, truths) -> float:
    """Time of one image, in the mean."""
    begin = time.perf_counter()
    for score_map, boxes in zip(maps, truths, strict=True):
        metric.update(score_map, boxes)
    return 1000 * (time.perf_counter() - begin) / len(maps)


def main() -> None:
    """Print one row per kind of map and step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--noise", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, NumPy {np.__version__}, {options.images} maps of 224 x 224")
    print("maps    step    each ms    ours ms   ours, images a minute")
    for draw in (blob, noise) if options.noise else (blob,):
        maps = [normalize_score_map(draw(index), GRID) for index in range(options.images)]
        truths = [boxes_for(index) for index in range(options.images)]
        for step in STEPS:
            each, ours = [], []
            for _ in range(2):
                slow, fast = EachThreshold(step), MaxBoxAccuracy(step=step)
                each.append(milliseconds(slow, maps, truths))
                ours.append(milliseconds(fast, maps, truths))
                curves = fast.curves()
                np.testing.assert_array_equal(slow.curves(), np.stack([curves["v1"], curves["v2"]]))
            print(
                f"{draw.__name__:6} {step:6g} {min(each):10.2f} {min(ours):10.2f} {60_000 / min(ours):10.0f}"
            )
            what = f"time, each threshold traced / ours, maps of {draw.__name__}, step {step:g}"
            print_ratio(what, min(each) / min(ours))


if __name__ == "__main__":
    main()
