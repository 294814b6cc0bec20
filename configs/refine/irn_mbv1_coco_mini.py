# tools/run_stage.sh refine coco_mini
# Shows on two CPU cores that the stage runs on COCO.
_base_ = ["../_base_/coco_mini.py", "../_base_/refine_mbv1.py"]
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
train = dict(crop=128, epochs=1)
infer = dict(steps=32)
