_base_ = ["bas_localization_r50_cub.py"]
