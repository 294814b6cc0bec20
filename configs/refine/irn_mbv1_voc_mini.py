# tools/run_stage.sh refine voc_mini
# Real images on two CPU cores. Expected: docs/results/voc_mini.md.
_base_ = ["../_base_/voc_mini.py", "../_base_/refine_mbv1.py"]
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
