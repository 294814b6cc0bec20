_base_ = ["deeplabv2_mbv1_folder.py"]
