_base_ = ["bas_foreground_r50_voc.py"]
