_base_ = ["bas_mbv1_folder.py"]
