_base_ = ["bas_localization_mbv1_voc_boxes.py"]
