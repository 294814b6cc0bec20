_base_ = ["bas_r50_voc.py"]
