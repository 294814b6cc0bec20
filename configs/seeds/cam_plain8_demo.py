# tools/run_stage.sh seeds demo
# (it runs as a baseline of bas_plain8_demo.py and is published as seeds-cam)
# Plain CAM on the backbone, schedule and crops of bas_plain8_demo.py. Expected: docs/results/demo.md.
_base_ = ["../_base_/demo.py", "../_base_/seeds_plain8.py"]
method = "cam"
model = dict(frozen_levels=0)
