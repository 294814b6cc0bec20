_base_ = ["irn_r50_voc_animals.py"]
