# tools/run_stage.sh refine coco
# Expected: val mIoU 45.1 from masks of BAS + IRN's CAM (paper, which has no mask figures; not measured by us
# yet). Thresholds: RIB's on COCO, next to those of BAS on VOC; ReCAM's: .35/.10, power 1, score .25.
# GPUS=N shares the 82,081 images among N processes.
_base_ = ["../_base_/coco.py"]
labels = dict(foreground_threshold=0.35, background_threshold=0.17)
infer = dict(seed_power=1.3, background_score=0.22)
