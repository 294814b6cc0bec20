# tools/run_stage.sh seeds demo_boxes --config configs/seeds/bas_plain8_demo_boxes.py
# Random weights, two CPU cores; the settings of bas_plain8_demo.py.
_base_ = ["../_base_/demo_boxes.py", "../_base_/seeds_plain8.py"]
method = "bas"
model = dict(warmup_epochs=10, normalize_features=True)
train = dict(generator_factor=1.0)
