_base_ = ["irn_plain8_demo.py"]
