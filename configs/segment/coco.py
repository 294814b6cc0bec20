_base_ = ["deeplabv2_r101_coco.py"]
