# tools/run_stage.sh refine voc
# Expected on train: mask mIoU 71.6 from BAS seeds with the foreground map, 71.1 from those of bas_cam_voc.py
# (paper; not measured by us yet).
_base_ = ["../_base_/voc.py"]
infer = dict(pad_to=512)  # as the authors' code
