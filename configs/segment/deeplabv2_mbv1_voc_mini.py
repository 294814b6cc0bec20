# tools/run_stage.sh segment voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/segment_mbv1.py"]
infer = dict(scales=(0.5, 0.75))
model = dict(backbone=dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth"))
train_dataloader = dict(dataset=dict(dataset="configs/_base_/voc_mini.py", masks="work/voc_mini/masks"))
val_dataloader = dict(dataset=dict(dataset="configs/_base_/voc_mini.py"))
test_dataloader = val_dataloader
baselines = dict(full="deeplabv2_mbv1_voc_mini_full.py")
