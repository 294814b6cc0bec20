"""Shares of full supervision: computed from manifests, whichever was published first."""

import pytest

from wsss.comparison import shares_of_full_supervision

MASKS = {
    "kind": "segment",
    "split": "val",
    "classes": ["cat"],
    "network": "DeepLabV2 resnet101",
    "initialisation": "ImageNet (torchvision or timm)",
    "iterations": 100,
    "scales": [0.5, 1.0],
    "flip": True,
    "weights": "last iteration",
    "supervision": "masks",
    "figures": {"mIoU": 0.5},
}
FULL = MASKS | {"supervision": "full supervision", "figures": {"mIoU": 0.8}}


def test_a_network_is_compared_with_full_supervision_in_any_order():
    expected = {"segment": {"segment-full": 0.625}}
    assert shares_of_full_supervision({"segment": MASKS, "segment-full": FULL}) == expected
    assert shares_of_full_supervision({"segment-full": FULL, "segment": MASKS}) == expected


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iterations": 200}, id="longer"),
        pytest.param({"initialisation": "ImageNet and MS-COCO (x.pth)"}, id="other-weights"),
        pytest.param({"weights": "iteration 50, chosen on val, one scale"}, id="chosen-on-val"),
        pytest.param({"scales": [1.0]}, id="other-scales"),
        pytest.param({"split": "train"}, id="other-split"),
        pytest.param({"classes": ["dog"]}, id="other-classes"),
        pytest.param({"figures": {}}, id="no-score"),
        pytest.param({"kind": "masks"}, id="no-network"),
    ],
)
def test_only_like_is_compared_with_like(changes):
    assert shares_of_full_supervision({"segment": MASKS, "segment-full": FULL | changes}) == {}


def test_two_of_one_kind_are_not_compared():
    assert shares_of_full_supervision({"segment": MASKS, "segment-crf": MASKS}) == {}
    assert shares_of_full_supervision({"segment-a": FULL, "segment-b": FULL}) == {}
