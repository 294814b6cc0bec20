# tools/run_stage.sh seeds demo
# Random weights, two CPU cores. Expected: docs/results.md (measured there with commit and command).
# Without normalized features most maps are empty after ten epochs and stay so. Without pretrained weights no
# layer is ahead of the others, so all have the same rate.
_base_ = ["../_base_/demo.py", "../_base_/seeds.py"]
model = dict(backbone="plain8", pretrained=None, warmup_epochs=10, normalize_features=True)
train = dict(
    resize=128,
    crop=112,
    epochs=40,
    learning_rate=0.05,
    classifier_factor=1.0,
    generator_factor=1.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
)
infer = dict(scales=(0.5, 1.0), image_specific=True)
baselines = dict(cam="cam_plain8_demo.py")
