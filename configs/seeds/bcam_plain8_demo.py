# tools/run_stage.sh seeds bcam_plain8_demo
# B-CAM from random weights, its layout for VOC. Other rules keep the training:
# --cfg-options infer.rule=difference infer.threshold=0
# Minutes on two CPU cores. Expected: docs/results/methods.md (half of the demo).
_base_ = ["../_base_/demo.py"]
method = "bcam"
model = dict(backbone="plain8", pretrained=None, heads=10, frozen_levels=0, batch_norm="train")
train = dict(resize=128, crop=112, epochs=20, learning_rate=0.05, momentum=0.9, head_factor=1.0)
infer = dict(scales=(0.5, 1.0), threshold=0.3)
