# tools/run_stage.sh refine voc_mini --config configs/refine/crf_voc_mini.py --variant crf
# The baseline of irn_mbv1_voc_mini.py: nothing is trained. Expected: 4 to 6 points above the seeds (BAS
# seeds on every fourth image: docs/results/masks.md, "seeds, CRF").
_base_ = ["../_base_/voc_mini.py"]
method = "crf"
infer = dict(threshold=0.6)
