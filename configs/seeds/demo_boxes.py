_base_ = ["bas_localization_plain8_demo_boxes.py"]
