# tools/run_stage.sh seeds voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
# With two epochs of warm-up the classifier's loss was still 7.9 when the maps began, and a third of the class
# channels died; hence five, at a higher rate, and a generator without a rate of its own.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds.py"]
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    warmup_epochs=5,
)
train = dict(resize=224, crop=192, epochs=10, learning_rate=0.01, classifier_factor=3.0, generator_factor=1.0)
infer = dict(scales=(0.5, 1.0))
baselines = dict(cam="cam_mbv1_voc_mini.py")
