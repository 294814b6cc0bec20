# tools/run_stage.sh seeds ornet_plain8_demo_boxes
# wsss evaluate boxes work/ornet_plain8_demo_boxes/seeds demo_boxes
# ORNet from random weights; generator and evaluator are small.
# Minutes on two CPU cores. Expected: docs/results/methods.md.
_base_ = ["../_base_/demo_boxes.py"]
method = "ornet"
model = dict(
    backbone="plain8",
    pretrained=None,
    output_stride=16,
    generator_channels=(32, 64, 128),
    evaluator=dict(backbone="plain8", pretrained=None),
)
train = dict(
    resize=128,
    crop=112,
    epochs=20,
    evaluator=dict(epochs=15, learning_rate=0.05),
    # At the published 1e-4 these few steps end before the map has left .5 (docs/results/methods.md).
    fine=dict(epochs=30, learning_rate=0.003),
)
infer = dict(resize=0)
