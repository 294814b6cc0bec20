# tools/run_stage.sh seeds voc
# Expected: seed mIoU 58.3 on train at the oracle threshold (paper; not measured by us yet).
# The authors published no code for the foreground map: losses and fusing follow the paper's section 5.5.
# All else as bas_r50_voc.py.
_base_ = ["../_base_/voc.py"]
method = "bas"
model = dict(foreground=True)
infer = dict(fuse="average", geometry="irn")
