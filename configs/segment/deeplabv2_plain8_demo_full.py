# tools/run_stage.sh segment demo --config configs/segment/deeplabv2_plain8_demo_full.py --variant full
# Full supervision, the upper reference: the same network, initialisation and iterations on ground truth.
_base_ = ["deeplabv2_plain8_demo.py"]
supervision = "ground_truth"
baselines = dict(_delete_=True)
