# tools/run_stage.sh seeds fam_plain8_demo_boxes
# wsss evaluate boxes work/fam_plain8_demo_boxes/seeds demo_boxes
# FAM from random weights.
# Minutes on two CPU cores. Expected: docs/results.md.
_base_ = ["../_base_/demo_boxes.py"]
method = "fam"
model = dict(backbone="plain8", pretrained=None)
train = dict(
    resize=128,
    crop=112,
    epochs=20,
    batch_size=16,
    learning_rate=0.05,
    head_factor=1.0,
    decay_epochs=0,
    poly_length=1.0,
)
infer = dict(resize=0)
