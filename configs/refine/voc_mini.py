_base_ = ["irn_mbv1_voc_mini.py"]
