# tools/run_stage.sh segment voc --config configs/segment/deeplabv2_r101_voc_full.py --variant full
# Full supervision, the upper reference: the same network, initialisation and iterations on ground truth. It
# needs SegmentationClassAug. Expected on val: 73.4, and 76.8 after the dense CRF (published figures of this
# network, the paper of BAS has 77.6; not measured by us yet).
_base_ = ["deeplabv2_r101_voc.py"]
supervision = "ground_truth"
