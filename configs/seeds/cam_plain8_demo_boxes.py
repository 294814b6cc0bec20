# tools/run_stage.sh seeds demo_boxes --config configs/seeds/cam_plain8_demo_boxes.py --variant cam
# Plain CAM on the backbone, schedule and crops of bas_plain8_demo_boxes.py.
_base_ = ["../_base_/demo_boxes.py", "../_base_/seeds_plain8.py"]
method = "cam"
model = dict(frozen_levels=0)
