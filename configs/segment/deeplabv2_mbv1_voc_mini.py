# tools/run_stage.sh segment voc_mini
# Real images on two CPU cores. Expected: docs/results/voc_mini.md.
_base_ = ["../_base_/voc_mini.py", "../_base_/segment_mbv1.py"]
infer = dict(scales=(0.5, 0.75))
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
baselines = dict(full="deeplabv2_mbv1_voc_mini_full.py")
