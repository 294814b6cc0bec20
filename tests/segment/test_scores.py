"""The table for people, and the share of full supervision, by hand."""

from segment.scores import score_table

SCORES = {
    "split": "val",
    "network": "DeepLabV2 resnet101",
    "mIoU": 0.5,
    "mean_precision": 0.7,
    "mean_recall": 0.65,
    "pixel_accuracy": 0.8,
    "per_class_iou": {"background": 0.75, "cat": 0.25, "dog": None},
    "supervision": "masks",
    "initialisation": "ImageNet (torchvision or timm)",
    "weights": "last iteration",
    "masks": {"name": "masks", "mIoU": 0.421},
    "scales": [0.5, 1.0],
    "random_seed": 0,
    "iterations": 100,
    "flip": True,
}
CRF = {
    "mIoU_crf": 0.52,
    "mean_precision_crf": 0.72,
    "mean_recall_crf": 0.64,
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
    assert "| mean precision | 70.0 |" in lines
    assert "| mean recall | 65.0 |" in lines
    assert "| pixel accuracy | 80.0 |" in lines
    assert "- masks: name masks, mIoU 0.421" in lines
    assert "- initialisation: ImageNet (torchvision or timm)" in lines
    assert "- scales: 0.5, 1.0" in lines
    assert "- random seed: 0" in lines


def test_table_with_crf_has_a_column_more():
    lines = score_table(SCORES | CRF).splitlines()
    assert "| class | IoU % | after the dense CRF |" in lines
    assert "|---|---|---|" in lines
    assert "| cat | 25.0 | 28.0 |" in lines
    assert "| **mIoU** | 50.0 | 52.0 |" in lines
    assert "| mean recall | 65.0 | 64.0 |" in lines


def test_table_without_ground_truth_says_so():
    bare = {"split": "test", "network": "n", "supervision": "masks"}
    assert "No ground truth, so no score." in score_table(bare)
