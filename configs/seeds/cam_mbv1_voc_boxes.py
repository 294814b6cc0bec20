# tools/run_stage.sh seeds cam_mbv1_voc_boxes
# wsss evaluate boxes work/cam_mbv1_voc_boxes/seeds voc_boxes
# The settings of cam_mbv1_voc_mini.py on images of one class. Expected: docs/results/methods.md.
_base_ = ["../_base_/voc_boxes.py", "../_base_/seeds_mbv1.py"]
method = "cam"
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth", batch_norm="fixed")
train = dict(epochs=12, learning_rate=0.01)
infer = dict(scales=(0.5, 0.75))
