_base_ = ["deeplabv2_plain8_demo.py"]
