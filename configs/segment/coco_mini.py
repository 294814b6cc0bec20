_base_ = ["deeplabv2_mbv1_coco_mini.py"]
