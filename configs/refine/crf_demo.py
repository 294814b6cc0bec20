# tools/run_stage.sh refine demo --config configs/refine/crf_demo.py --variant crf
# The yardstick for irn_plain8_demo.py: nothing is trained.
_base_ = ["../_base_/demo.py", "../_base_/refine.py"]
method = "crf"
