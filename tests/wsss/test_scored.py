"""Figures are of the split to score, and of all images beside it."""

from pathlib import Path

import numpy as np
import pytest

from wsss.cli.stages import load_config
from wsss.datasets import DataSet
from wsss.errors import DataError
from wsss.evaluate import Scores
from wsss.scored import Scored, named_all, scored_images, spread


class Splits(DataSet):
    """Images a to d, of which d has no ground truth; b and d are in the split ``small``."""

    name, classes = "splits", ("one",)
    lists = {"large": ("a", "b", "c", "d"), "small": ("b", "d"), "val": ("e",)}  # noqa: RUF012

    def ids(self, split):
        if split not in self.lists:
            raise DataError(f"no list {split}")
        return self.lists[split]

    def image_path(self, image_id):
        return Path(image_id)

    def tags(self, image_id):
        return (1,)

    def mask_path(self, image_id):
        return None if image_id == "d" else Path(image_id)


@pytest.mark.parametrize(
    ("own", "of_dataset", "expected"),
    [
        pytest.param(None, None, Scored("large", ("a", "b", "c")), id="all"),
        pytest.param(None, "small", Scored("small", ("b",), ("a", "c")), id="of-the-data-set"),
        pytest.param("small", "val", Scored("small", ("b",), ("a", "c")), id="the-stages-counts"),
        pytest.param("large", None, Scored("large", ("a", "b", "c")), id="the-same"),
        pytest.param(None, "val", Scored("large", ("a", "b", "c")), id="no-image-of-it"),
    ],
)
def test_which_images_are_scored(own, of_dataset, expected):
    config = {"score_split": own, "dataset": {"score_split": of_dataset}}
    assert scored_images(config, Splits(), Splits().ids("large"), split="large") == expected


def test_nothing_is_scored_without_ground_truth_and_no_list_is_read():
    config = {"score_split": "absent", "dataset": {}}
    assert scored_images(config, Splits(), ["d"], split="large") is None
    with pytest.raises(DataError, match="no list absent"):
        scored_images(config, Splits(), ["a"], split="large")


def test_presets_of_voc_score_train():
    assert load_config("seeds", "voc").dataset.score_split == "train"
    assert load_config("refine", "voc").dataset.score_split == "train"
    assert load_config("seeds", "voc_animals").dataset.score_split == "animals_train"


def test_names_of_figures_of_all_images():
    figures = {"mIoU": 0.5, "images": 3, "per_class_iou": {"one": 0.5}}
    assert named_all(figures) == {"mIoU_all": 0.5, "images_all": 3}


def test_scores_of_two_sets_of_images_are_those_of_both():
    one = Scores(np.array([[1, 2], [3, 4]]), ("one",), 2)
    other = Scores(np.array([[10, 0], [0, 10]]), ("one",), 1)
    both = one + other
    assert both.confusion.tolist() == [[11, 2], [3, 14]]
    assert both.images == 3


def test_a_sample_is_spread_over_the_list():
    assert spread([str(number) for number in range(10)], 4) == ["0", "3", "6", "9"]
    assert spread(["a", "b"], 4) == ["a", "b"]
    assert spread([], 4) == []
