# tools/run_stage.sh refine voc_animals --config configs/refine/crf_voc_animals.py --variant crf
# The baseline of irn_r50_voc_animals.py: nothing is trained.
# Expected: docs/results/voc_animals.md.
_base_ = ["../_base_/voc_animals.py"]
method = "crf"
infer = dict(threshold=0.6)
