# tools/run_stage.sh seeds bcam_mbv1_voc_boxes
# wsss evaluate boxes work/bcam_mbv1_voc_boxes/seeds voc_boxes
# A short training on two CPU cores. The layout for CUB; boxes by the gradient.
# Expected: docs/results/methods.md.
_base_ = ["../_base_/voc_boxes.py"]
method = "bcam"
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    layout="cub",
    heads=20,
)
train = dict(
    resize=224,
    crop=192,
    batch_size=16,
    epochs=12,
    learning_rate=0.0003,
    momentum=0.9,
    nesterov=True,
    decay_epochs=10,
)
infer = dict(rule="gradient", resize=224, scales=(1.0,), threshold=0.5)
