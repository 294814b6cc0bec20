# tools/run_stage.sh refine voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/refine.py"]
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    displacement=False,
)
# 123 steps in place of the authors' 990: the momentum makes up for them.
train = dict(crop=256, batch_size=16, momentum=0.9)
