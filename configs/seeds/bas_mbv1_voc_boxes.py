# tools/run_stage.sh seeds bas_mbv1_voc_boxes
# wsss evaluate boxes work/bas_mbv1_voc_boxes/seeds voc_boxes
# The settings of bas_mbv1_voc_mini.py on images of one class. Expected: docs/results/methods.md.
_base_ = ["../_base_/voc_boxes.py", "../_base_/seeds_mbv1.py"]
method = "bas"
model = dict(
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth", warmup_epochs=2, normalize_features=True
)
train = dict(epochs=12, learning_rate=0.003, classifier_factor=1.5, generator_factor=5.0)
infer = dict(scales=(0.5, 0.75))
