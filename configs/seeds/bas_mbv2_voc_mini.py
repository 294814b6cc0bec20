# tools/run_stage.sh seeds voc_mini --config configs/seeds/bas_mbv2_voc_mini.py --work-dir work/voc_mini-mbv2
# bas_mbv1_voc_mini.py on MobileNetV2, whose features have 96 channels at the cut, against 512.
# Not measured yet.
_base_ = ["bas_mbv1_voc_mini.py"]
model = dict(backbone="mobilenet_v2", pretrained="../shared/data/weights/mobilenet_v2_imagenet.pth")
baselines = dict(_delete_=True, cam="cam_mbv2_voc_mini.py")
