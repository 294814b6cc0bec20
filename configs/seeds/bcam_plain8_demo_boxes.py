# tools/run_stage.sh seeds bcam_plain8_demo_boxes
# wsss evaluate boxes work/bcam_plain8_demo_boxes/seeds demo_boxes
# B-CAM from random weights; its layout for CUB: one class an image, boxes by the gradient.
# Minutes on two CPU cores. Expected: docs/results/methods.md.
_base_ = ["../_base_/demo_boxes.py"]
method = "bcam"
model = dict(backbone="plain8", pretrained=None, layout="cub", heads=10)
train = dict(resize=128, crop=112, epochs=20, learning_rate=0.05, momentum=0.9, head_factor=1.0)
infer = dict(rule="gradient", scales=(0.5, 1.0), threshold=0.5)
