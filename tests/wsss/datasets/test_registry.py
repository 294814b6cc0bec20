from typing import Optional

import pytest

from wsss.datasets import DATASETS, DemoDataSet, VocDataSet, _fits, build_dataset
from wsss.errors import ConfigError


def test_known_types():
    assert {"demo": DemoDataSet, "voc": VocDataSet} == {key: DATASETS[key] for key in ("demo", "voc")}


def test_split_names_are_left_to_the_stages(voc):
    dataset = build_dataset(
        {"type": "voc", "root": voc.root, "name": "mine", "train_split": "train_aug", "val_split": "val"}
    )

    assert isinstance(dataset, VocDataSet)
    assert (dataset.name, dataset.root, len(dataset.classes)) == ("mine", voc.root.resolve(), 20)


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        pytest.param(
            {"type": "vco"},
            r"dataset\.type to be one of coco, demo, demo_boxes, .*, wsol, got 'vco': choose one",
            id="unknown",
        ),
        pytest.param(
            {},
            r"dataset\.type to be one of coco, demo, demo_boxes, .*, wsol, got None: choose one",
            id="absent",
        ),
        pytest.param(
            {"type": []},
            r"dataset\.type to be one of coco, demo, demo_boxes, .*, wsol, got \[\]: choose one",
            id="no-text",
        ),
        pytest.param(
            {"type": "voc", "lables": "x"},
            r"type voc \(root, labels, .*got dataset\.lables: did you mean labels",
            id="typo",
        ),
        pytest.param({"type": "voc", "q": 1}, r"got dataset\.q: remove it", id="nothing-near"),
    ],
)
def test_wrong_settings_are_refused(cfg, message):
    with pytest.raises(ConfigError, match=message):
        build_dataset(cfg)


def test_types_as_python_3_10_reads_them():
    """There a default of None makes a typing.Union of the annotation, which isinstance does not take."""
    hint = Optional[dict[str, int] | str]  # noqa: UP045
    assert [_fits(value, hint) for value in (None, {"train": 1}, "x", 1, True)] == [
        True,
        True,
        True,
        False,
        False,
    ]
