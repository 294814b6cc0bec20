_base_ = ["bas_mbv1_voc_mini.py"]
