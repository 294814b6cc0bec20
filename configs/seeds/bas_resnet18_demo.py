# tools/run_stage.sh seeds demo
# Random weights, two CPU cores. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/demo.py", "../_base_/seeds.py"]
model = dict(backbone="resnet18", pretrained=None, warmup_epochs=8)
train = dict(resize=128, crop=112, epochs=16, batch_size=16, learning_rate=0.01, generator_factor=1.0)
infer = dict(scales=(1.0, 1.5))
baselines = dict(cam="cam_resnet18_demo.py")
