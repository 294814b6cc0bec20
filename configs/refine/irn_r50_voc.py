# tools/run_stage.sh refine voc
# Expected: mask mIoU 71.1 on train from BAS + IRN seeds (paper, not measured here: no ResNet weights).
_base_ = ["../_base_/voc.py"]
infer = dict(pad_to=512)  # as the authors' code
