_base_ = ["irn_mbv1_coco_mini.py"]
