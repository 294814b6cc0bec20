# tools/run_stage.sh seeds voc
# Expected: seed mIoU 57.7 on train at the oracle threshold (paper; not measured by us yet).
_base_ = ["../_base_/voc.py", "../_base_/seeds.py"]
