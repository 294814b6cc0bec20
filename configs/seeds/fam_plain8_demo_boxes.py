# tools/run_stage.sh seeds fam_plain8_demo_boxes
# wsss evaluate boxes work/fam_plain8_demo_boxes/seeds demo_boxes
# FAM from random weights. Parts are pooled from what the map lets pass: pooled from the features, as printed,
# the classifier needs no map, and it shows the ground (PxAP 18.6 in place of 75.4 with dataset.train=240).
# Minutes on two CPU cores. Expected: docs/results/methods.md.
_base_ = ["../_base_/demo_boxes.py"]
method = "fam"
model = dict(backbone="plain8", pretrained=None, assumptions=dict(pool_from="foreground"))
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
