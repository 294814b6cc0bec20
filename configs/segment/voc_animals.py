_base_ = ["deeplabv2_r50_voc_animals.py"]
