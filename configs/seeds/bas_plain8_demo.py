# tools/run_stage.sh seeds demo
# Random weights, two CPU cores. Expected: docs/results.md (measured there with commit and command).
# From random weights the maps die unless the classifier learns first, hence the long warm-up; without
# pretrained weights no layer is ahead of the others, so all have the same rate.
_base_ = ["../_base_/demo.py", "../_base_/seeds.py"]
model = dict(backbone="plain8", pretrained=None, warmup_epochs=24)
train = dict(resize=128, crop=112, epochs=40, learning_rate=0.05, classifier_factor=1.0, generator_factor=1.0)
infer = dict(scales=(0.5, 1.0))
baselines = dict(cam="cam_plain8_demo.py")
