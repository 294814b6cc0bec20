# Full supervision, the upper reference: the same network, initialisation and iterations on ground truth.
_base_ = ["deeplabv2_r50_voc_mini.py"]
supervision = "ground_truth"
baselines = dict(_delete_=True)
