"""The table for people, and the share of full supervision, by hand."""

import pytest

from segment.scores import score_table, share_of_full_supervision
from wsss.artifacts import MANIFEST, write_json

SCORES = {
    "split": "val",
    "network": "DeepLabV2 resnet101",
    "mIoU": 0.5,
    "pixel_accuracy": 0.8,
    "per_class_iou": {"background": 0.75, "cat": 0.25, "dog": None},
    "supervision": "masks",
    "initialisation": "ImageNet (torchvision or timm)",
    "weights": "last iteration",
    "masks": {"name": "masks", "mIoU": 0.421},
    "scales": [0.5, 1.0],
    "seed": 0,
    "iterations": 100,
    "flip": True,
}
CRF = {
    "mIoU_crf": 0.52,
    "pixel_accuracy_crf": 0.81,
    "per_class_iou_crf": {"background": 0.76, "cat": 0.28, "dog": None},
}


def test_table_without_crf():
    lines = score_table(SCORES).splitlines()
    assert lines[0] == "# DeepLabV2 resnet101, val"
    assert "| class | IoU % |" in lines
    assert "| cat | 25.0 |" in lines
    assert "| dog | - |" in lines
    assert "| **mIoU** | 50.0 |" in lines
    assert "| pixel accuracy | 80.0 |" in lines
    assert "- masks: name masks, mIoU 0.421" in lines
    assert "- initialisation: ImageNet (torchvision or timm)" in lines
    assert "- scales: 0.5, 1.0" in lines
    assert "- seed: 0" in lines


def test_table_with_crf_has_a_column_more():
    lines = score_table(SCORES | CRF).splitlines()
    assert "| class | IoU % | after the dense CRF |" in lines
    assert "|---|---|---|" in lines
    assert "| cat | 25.0 | 28.0 |" in lines
    assert "| **mIoU** | 50.0 | 52.0 |" in lines


def test_table_without_ground_truth_says_so():
    bare = {"split": "test", "network": "n", "supervision": "masks"}
    assert "No ground truth, so no score." in score_table(bare)


def published(folder, **changes):
    manifest = {
        key: SCORES[key] for key in ("split", "network", "initialisation", "iterations", "scales", "flip")
    }
    manifest |= {"weights": "last iteration", "supervision": "masks", "figures": {"mIoU": 0.5}, **changes}
    folder.mkdir(parents=True)
    write_json(folder / MANIFEST, manifest)
    return manifest


FULL = {"supervision": "full supervision", "figures": {"mIoU": 0.8}}


def test_share_is_recorded_by_whichever_is_published_last(tmp_path):
    masks = published(tmp_path / "segment")
    assert share_of_full_supervision(tmp_path / "segment", masks) == {}
    full = published(tmp_path / "segment-full", **FULL)
    assert share_of_full_supervision(tmp_path / "segment-full", full) == {
        "share_of_full_supervision": {"segment": 0.625}
    }
    assert share_of_full_supervision(tmp_path / "segment", masks) == {
        "share_of_full_supervision": {"segment-full": 0.625}
    }


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iterations": 200}, id="longer"),
        pytest.param({"initialisation": "ImageNet and MS-COCO (x.pth)"}, id="other-weights"),
        pytest.param({"weights": "iteration 50, chosen on val, one scale"}, id="chosen-on-val"),
        pytest.param({"scales": [1.0]}, id="other-scales"),
        pytest.param({"split": "train"}, id="other-split"),
        pytest.param({"figures": {}}, id="no-score"),
    ],
)
def test_only_like_is_compared_with_like(tmp_path, changes):
    masks = published(tmp_path / "segment")
    published(tmp_path / "segment-full", **{**FULL, **changes})
    assert share_of_full_supervision(tmp_path / "segment", masks) == {}


def test_older_and_broken_folders_are_left_out(tmp_path):
    masks = published(tmp_path / "segment")
    published(tmp_path / "segment-full.previous", **FULL)
    (tmp_path / "segment-broken").mkdir()
    (tmp_path / "segment-broken" / MANIFEST).write_text("{")
    assert share_of_full_supervision(tmp_path / "segment", masks) == {}
