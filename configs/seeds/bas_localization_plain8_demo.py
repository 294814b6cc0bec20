# tools/run_stage.sh seeds bas_localization_plain8_demo
# The settings of bas_localization_plain8_demo_boxes.py: trained on the images with one tag, seeds for all.
# Minutes on two CPU cores. Not measured.
_base_ = ["../_base_/demo.py"]
method = "bas_localization"
model = dict(backbone="plain8", pretrained=None, hidden=128, beta=0.5)
train = dict(
    resize=128,
    crop=112,
    epochs=20,
    batch_size=16,
    learning_rate=0.003,
    decay_epochs=0,
    poly_length=1.0,
    several_tags="leave_out",
)
infer = dict(resize=128, threshold=0.5)
