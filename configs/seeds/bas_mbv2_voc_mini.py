# tools/run_stage.sh seeds voc_mini --config configs/seeds/bas_mbv2_voc_mini.py --work-dir work/voc_mini-mbv2
# bas_mbv1_voc_mini.py on MobileNetV2, whose features have 96 channels at the cut, against 512.
# Expected: not measured yet; minutes to hours on two CPU cores, as there.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_mbv1.py"]
method = "bas"
model = dict(
    backbone="mobilenet_v2",
    pretrained="../shared/data/weights/mobilenet_v2_imagenet.pth",
    warmup_epochs=3,
    normalize_features=True,
)
train = dict(learning_rate=0.003, classifier_factor=1.5, generator_factor=5.0)
infer = dict(scales=(0.5, 0.75), image_specific=True)
baselines = dict(cam="cam_mbv2_voc_mini.py")
