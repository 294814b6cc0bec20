# tools/run_stage.sh seeds bas_localization_plain8_demo_boxes
# wsss evaluate boxes work/bas_localization_plain8_demo_boxes/seeds demo_boxes
# BAS for localisation from random weights. The published weight of the area, 1.5, empties most maps before
# the classifier knows anything.
# Minutes on two CPU cores. Expected: docs/results/methods.md.
_base_ = ["../_base_/demo_boxes.py"]
method = "bas_localization"
model = dict(backbone="plain8", pretrained=None, hidden=128, beta=0.5)
train = dict(
    resize=128, crop=112, epochs=20, batch_size=16, learning_rate=0.003, decay_epochs=0, poly_length=1.0
)
infer = dict(resize=128, threshold=0.5)
