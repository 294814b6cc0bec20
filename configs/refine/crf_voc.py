# tools/run_stage.sh refine voc --config configs/refine/crf_voc.py --variant crf
# The baseline of irn_r50_voc.py: nothing is trained. Expected: nobody published it for these seeds; not
# measured by us yet.
_base_ = ["../_base_/voc.py"]
method = "crf"
