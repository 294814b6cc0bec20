_base_ = ["irn_r50_voc.py"]
