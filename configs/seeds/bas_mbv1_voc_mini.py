# tools/run_stage.sh seeds voc_mini
# Real images on two CPU cores. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_mbv1.py"]
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
infer = dict(scales=(0.5, 0.75), image_specific=True)
baselines = dict(cam="cam_mbv1_voc_mini.py", combined="bas_cam_mbv1_voc_mini.py")
