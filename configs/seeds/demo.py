_base_ = ["bas_mbv1_demo.py"]
