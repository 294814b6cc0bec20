# tools/run_stage.sh segment voc --config configs/segment/deeplabv2_r101_voc_released.py --variant released
# A network of deeplab-pytorch that was trained on VOC, put at the path below by hand: nothing is trained. Its
# README has 76.65 on val, and 77.93 after the dense CRF, for the maximum of logits over three scales; here it
# is the mean of probabilities over five scales with flips (not measured by us yet).
_base_ = ["deeplabv2_r101_voc_coco_init.py"]
pretrained_on = None
model = dict(pretrained=None, weights="data/weights/deeplabv2_resnet101_msc-vocaug-20000.pth")
