"""Demo data for localisation: known answers."""

from collections import Counter

import numpy as np
import pytest

from wsss.datasets import DemoBoxesDataSet
from wsss.errors import ConfigError
from wsss.images import read_image

SMALL = {"train": 12, "val": 6, "side": 96}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return DemoBoxesDataSet(tmp_path_factory.mktemp("data") / "demo_boxes", **SMALL)


def test_each_class_as_often_as_the_others(small):
    for split in ("train", "val"):
        small.check(split)
        counts = Counter(small.tags(one) for one in small.ids(split))
        assert set(counts.values()) == {SMALL[split] // 6}
    assert len(small.classes) == 6


def test_boxes_hold_exactly_the_visible_creatures(small):
    numbers = set()
    for image_id in small.ids("train") + small.ids("val"):
        mask = small.truth(image_id)
        assert read_image(small.image_file(image_id)).shape[:2] == mask.shape == small.size(image_id)
        assert tuple(np.unique(mask)) == (0, *small.tags(image_id))
        boxes = small.boxes(image_id)
        numbers.add(len(boxes))
        covered = np.zeros_like(mask, dtype=bool)
        for x0, y0, x1, y1 in boxes:
            covered[y0 : y1 + 1, x0 : x1 + 1] = True
        assert not (mask[~covered] > 0).any()
        # Together they end where the pixels do.
        rows, columns = np.nonzero(mask)
        ends = [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]
        assert ends == [columns.min(), rows.min(), columns.max(), rows.max()]
        np.testing.assert_array_equal(small.object_mask(image_id), mask > 0)
    assert numbers == {1, 2}


def test_two_runs_give_the_same_bytes(small, tmp_path):
    DemoBoxesDataSet(tmp_path / "again", **SMALL)
    folder = small.root.parent
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) > 4 * 18
    for file in files:
        assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize(("key", "value"), [("train", 5), ("val", 0), ("side", 10), ("random_seed", -1)])
def test_numbers_out_of_range_are_refused(tmp_path, key, value):
    with pytest.raises(ConfigError, match=rf"a whole number of at least \d+ for dataset\.{key}, got {value}"):
        DemoBoxesDataSet(tmp_path / "demo", **{key: value})
