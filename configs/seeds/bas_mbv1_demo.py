# tools/run_stage.sh seeds demo
# Random weights, two CPU cores. Expected: docs/results.md (measured there with commit and command).
# From random weights the maps die unless the classifier learns first (method.md), hence the long warm-up; without
# pretrained weights no layer is ahead of the others, so all have the same rate.
_base_ = ["../_base_/demo.py", "../_base_/seeds.py"]
model = dict(backbone="mobilenetv1_100", pretrained=None, warmup_epochs=14)
train = dict(
    resize=96, crop=88, epochs=24, learning_rate=0.03, classifier_factor=1.0, generator_factor=1.0
)
infer = dict(scales=(1.0, 2.0))
baselines = dict(cam="cam_mbv1_demo.py")
