"""What holds for every data set."""

import pytest

from wsss.datasets import DataSet
from wsss.errors import DataError


class Two(DataSet):
    """Two images with given tags, two classes."""

    name, classes = "two", ("cat", "dog")

    def __init__(self, tags):
        self._tags = dict(zip("ab", tags, strict=True))

    def ids(self, split):
        return tuple(self._tags)

    def image_path(self, image_id):
        raise NotImplementedError

    def tags(self, image_id):
        return self._tags[image_id]

    def mask_path(self, image_id):
        return None


def test_tags_of_known_classes_pass():
    Two([(1, 2), (2,)]).check("train")


@pytest.mark.parametrize("wrong", [0, 3])
def test_tags_out_of_range_are_named(wrong):
    with pytest.raises(
        DataError,
        match=rf"expected tags from 1 to 2 in split train of two, got others for 1: b \[{wrong}\]: correct",
    ):
        Two([(1,), (2, wrong)]).check("train")
