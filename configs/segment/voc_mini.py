_base_ = ["deeplabv2_mbv1_voc_mini.py"]
