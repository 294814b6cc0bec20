# tools/run_stage.sh segment voc_mini --config configs/segment/deeplabv2_mbv1_voc_mini_full.py --variant full
# Full supervision, the upper reference: the same network, initialisation and iterations on ground truth.
_base_ = ["deeplabv2_mbv1_voc_mini.py"]
supervision = "ground_truth"
baselines = dict(_delete_=True)
