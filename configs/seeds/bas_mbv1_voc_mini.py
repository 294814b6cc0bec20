# tools/run_stage.sh seeds voc_mini
# Real images on two CPU cores. Expected: docs/results/voc_mini.md.
# Without normalized features half of the class channels die in so short a training. The classifier's rate is
# kept low: its 1,024 features have a mean of .6, and at a rate of .03 its loss doubles before it falls.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_mbv1.py"]
method = "bas"
model = dict(
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth", warmup_epochs=3, normalize_features=True
)
train = dict(learning_rate=0.003, classifier_factor=1.5, generator_factor=5.0)
infer = dict(scales=(0.5, 0.75), image_specific=True)
baselines = dict(cam="cam_mbv1_voc_mini.py", combined="bas_cam_mbv1_voc_mini.py")
