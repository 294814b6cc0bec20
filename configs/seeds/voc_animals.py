_base_ = ["bas_r50_voc_animals.py"]
