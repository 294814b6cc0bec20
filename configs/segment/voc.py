_base_ = ["deeplabv2_r101_voc.py"]
