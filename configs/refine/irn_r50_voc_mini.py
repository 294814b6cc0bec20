# tools/run_stage.sh refine voc_mini --config configs/refine/irn_r50_voc_mini.py --work-dir work/voc_mini-r50
_base_ = ["../_base_/voc_mini.py", "../_base_/refine_r50_small.py"]
