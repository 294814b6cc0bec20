# tools/run_stage.sh refine voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/refine_mbv1.py"]
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
