# Full supervision, the upper reference of deeplabv2_r18_voc_animals.py.
_base_ = ["deeplabv2_r18_voc_animals.py"]
supervision = "ground_truth"
baselines = dict(_delete_=True)
