_base_ = ["irn_r50_coco.py"]
