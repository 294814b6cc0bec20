# tools/run_stage.sh seeds coco
# The paper names no figure for COCO seeds with the foreground map; without it: 36.9 (bas_r50_coco.py).
_base_ = ["../_base_/coco.py"]
method = "bas"
model = dict(foreground=True, loss_weights=dict(guidance=0.5, area=1.5))
train = dict(batch_size=64)
infer = dict(fuse="average", geometry="irn")
