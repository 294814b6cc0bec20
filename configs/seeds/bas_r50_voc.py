# tools/run_stage.sh seeds voc --config configs/seeds/bas_r50_voc.py --work-dir work/voc-bas
# Expected: seed mIoU 57.7 on train at the oracle threshold (paper; not measured by us yet).
# Where paper and code differ this follows the code, which made the figure (the defaults of the method):
#   momentum: paper .9; the code puts the weight decay, 1e-4, in its place.
#   biases (batch norm's): the code never gives them to the optimizer; the paper does not say so.
#   schedule: paper, poly over all steps; the code counts steps with the batch of one of its 4 GPUs, so the
#   rate ends at .77 of its start. Here it does so for any number of processes.
_base_ = ["../_base_/voc.py"]
method = "bas"
infer = dict(geometry="irn")
