_base_ = ["bas_plain8_demo.py"]
