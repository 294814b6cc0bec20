# tools/run_stage.sh seeds voc --config configs/seeds/bas_r50_voc.py --work-dir work/voc-bas
# Expected: seed mIoU 57.7 on train at the oracle threshold (paper; not measured by us yet).
_base_ = ["../_base_/voc.py", "../_base_/seeds.py"]
