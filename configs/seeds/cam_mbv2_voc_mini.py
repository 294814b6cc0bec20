# tools/run_stage.sh seeds voc_mini --config configs/seeds/bas_mbv2_voc_mini.py --work-dir work/voc_mini-mbv2
# (it runs as a baseline of that file and is published as seeds-cam)
# Plain CAM on the weights, crops and epochs of bas_mbv2_voc_mini.py. Expected: not measured yet.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_mbv1.py"]
method = "cam"
model = dict(
    backbone="mobilenet_v2",
    pretrained="../shared/data/weights/mobilenet_v2_imagenet.pth",
    batch_norm="fixed",
)
train = dict(learning_rate=0.01)
infer = dict(scales=(0.5, 0.75), image_specific=True)
