_base_ = ["bas_mbv1_coco_mini.py"]
