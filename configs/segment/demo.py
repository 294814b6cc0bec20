_base_ = ["deeplabv2_mbv1_demo.py"]
