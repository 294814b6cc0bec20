_base_ = ["irn_mbv1_folder.py"]
