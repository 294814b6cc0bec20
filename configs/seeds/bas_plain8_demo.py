# tools/run_stage.sh seeds demo
# Random weights, two CPU cores. Expected: docs/results/demo.md.
# Without normalized features most maps are empty after ten epochs and stay so.
_base_ = ["../_base_/demo.py", "../_base_/seeds_plain8.py"]
method = "bas"
model = dict(warmup_epochs=10, normalize_features=True)
train = dict(generator_factor=1.0)
baselines = dict(cam="cam_plain8_demo.py")
