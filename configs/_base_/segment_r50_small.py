# DeepLabV2 on ResNet50 at small crops and a short schedule, for two CPU cores. Measured on 385
# images of voc_animals: docs/results/voc_animals.md.
_base_ = ["segment_mbv1.py"]
infer = dict(scales=(0.5, 0.75))
model = dict(
    pretrained="../shared/data/weights/resnet50_imagenet.pth",
    backbone=dict(name="resnet50"),
    decode_head=dict(in_channels=2048),
)
