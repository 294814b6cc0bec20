# tools/run_stage.sh segment coco_mini
# Shows on two CPU cores that the stage runs on COCO: a few steps.
_base_ = ["../_base_/coco_mini.py", "../_base_/segment_mbv1.py"]
infer = dict(scales=(0.5,), flip=False)
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
train_cfg = dict(max_iters=20, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=10))
