# tools/run_stage.sh seeds voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
# Two epochs of classification come first and the generator has the backbone's own rate: without these, half of
# the class channels die on data this small.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds.py"]
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    warmup_epochs=2,
)
train = dict(resize=224, crop=192, epochs=8, learning_rate=0.003, generator_factor=1.0)
infer = dict(scales=(0.5, 1.0))
baselines = dict(cam="cam_mbv1_voc_mini.py")
