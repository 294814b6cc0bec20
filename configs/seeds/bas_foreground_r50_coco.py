# tools/run_stage.sh seeds coco
# The paper names no figure for COCO seeds with the foreground map; without it: 36.9 (bas_r50_coco.py).
_base_ = ["bas_r50_coco.py"]
model = dict(foreground=True)
infer = dict(fuse="average")
