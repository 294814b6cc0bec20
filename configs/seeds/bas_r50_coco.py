# tools/run_stage.sh seeds coco --config configs/seeds/bas_r50_coco.py --work-dir work/coco-bas
# Expected: seed mIoU 36.9 on train at the oracle threshold (paper; not measured by us yet).
# Follows the code where it differs from the paper, as bas_r50_voc.py says.
_base_ = ["../_base_/coco.py"]
method = "bas"
model = dict(loss_weights=dict(guidance=0.5, area=1.5))
train = dict(batch_size=64)
infer = dict(geometry="irn")
