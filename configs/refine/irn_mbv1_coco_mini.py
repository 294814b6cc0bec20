# tools/run_stage.sh refine coco_mini
# Shows on two CPU cores that the stage runs on COCO; the thresholds are those of voc_mini's soft seeds.
_base_ = ["../_base_/coco_mini.py", "../_base_/refine.py"]
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    displacement=False,
)
labels = dict(foreground_threshold=0.70, background_threshold=0.45, chosen="fixed in the preset: as voc_mini")
infer = dict(
    seed_power=10.0, beta=6.0, background_score=0.25, chosen="fixed in the preset: as voc_mini", steps=32
)
train = dict(crop=128, epochs=1, batch_size=16, momentum=0.9)
