# tools/run_stage.sh seeds fam_plain8_demo
# FAM from random weights, settings of fam_plain8_demo_boxes.py. Images with several tags have its
# class-agnostic map alone: fuse_fam_demo.py gives them class maps.
# Minutes on two CPU cores. Not measured.
_base_ = ["../_base_/demo.py"]
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
