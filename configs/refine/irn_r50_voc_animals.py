# tools/run_stage.sh refine voc_animals
_base_ = ["../_base_/voc_animals.py", "../_base_/refine_r50_small.py"]
