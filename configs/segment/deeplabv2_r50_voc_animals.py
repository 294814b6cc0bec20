# tools/run_stage.sh segment voc_animals
_base_ = ["../_base_/voc_animals.py", "../_base_/segment_r50_small.py"]
baselines = dict(full="deeplabv2_r50_voc_animals_full.py")
