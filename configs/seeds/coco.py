_base_ = ["bas_foreground_r50_coco.py"]
