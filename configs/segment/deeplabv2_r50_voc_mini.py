# tools/run_stage.sh segment voc_mini --config configs/segment/deeplabv2_r50_voc_mini.py
#     --work-dir work/voc_mini-r50
_base_ = ["../_base_/voc_mini.py", "../_base_/segment_r50_small.py"]
baselines = dict(full="deeplabv2_r50_voc_mini_full.py")
