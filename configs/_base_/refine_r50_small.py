# IRN on ResNet50 at small crops, for seeds of `seeds_r50_small.py`; thresholds, seed power and beta are those
# of `refine_mbv1.py`, whose seeds are as soft (oracle thresholds about .6). Sharper seeds, such as BAS + CAM,
# want "tags" for all four: docs/results/thresholds.md.
_base_ = ["refine_mbv1.py"]
model = dict(
    backbone="resnet50", pretrained="../shared/data/weights/resnet50_imagenet.pth", displacement=True
)
