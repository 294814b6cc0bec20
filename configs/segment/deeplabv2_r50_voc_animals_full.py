# tools/run_stage.sh segment voc_animals runs it as a baseline, beside the network from masks.
# Full supervision, the upper reference: the same network, initialisation and iterations on ground truth.
_base_ = ["deeplabv2_r50_voc_animals.py"]
supervision = "ground_truth"
baselines = dict(_delete_=True)
