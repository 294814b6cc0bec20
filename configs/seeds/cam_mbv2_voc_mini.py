# tools/run_stage.sh seeds voc_mini --config configs/seeds/bas_mbv2_voc_mini.py --work-dir work/voc_mini-mbv2
# Plain CAM on the weights, crops and epochs of bas_mbv2_voc_mini.py, as its baseline.
_base_ = ["cam_mbv1_voc_mini.py"]
model = dict(backbone="mobilenet_v2", pretrained="../shared/data/weights/mobilenet_v2_imagenet.pth")
