# tools/run_stage.sh seeds voc_animals --config configs/seeds/cam_r50_voc_animals.py --variant cam
# The CAM with the freedom that bas_r50_voc_animals.py has: all layers and batch norm train, at its rates.
# Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_animals.py"]
method = "cam"
model = dict(pretrained="../shared/data/weights/resnet50_imagenet.pth", frozen_levels=0)
train = dict(
    resize=224,
    crop=192,
    epochs=4,
    learning_rate=0.003,
    classifier_factor=2.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
)
infer = dict(scales=(0.5, 0.75))
