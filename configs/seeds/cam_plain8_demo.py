# tools/run_stage.sh seeds demo
# Plain CAM on the backbone, schedule and crops of bas_plain8_demo.py, as its baseline.
_base_ = ["bas_plain8_demo.py"]
method = "cam"
model = dict(frozen_levels=0)
baselines = dict(_delete_=True)
