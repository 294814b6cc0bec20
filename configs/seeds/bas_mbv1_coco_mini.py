# tools/run_stage.sh seeds coco_mini
# Shows on two CPU cores that the stage runs on COCO. Expected: no score worth a name: 98 images, 80 classes.
# COCO's weights of the losses: alpha .5, beta 1.5 (paper).
_base_ = ["../_base_/coco_mini.py", "../_base_/seeds.py"]
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    warmup_epochs=1,
    normalize_features=True,
    loss_weights=dict(guidance=0.5, area=1.5),
)
train = dict(
    resize=128,
    crop=112,
    epochs=2,
    learning_rate=0.003,
    classifier_factor=1.5,
    generator_factor=5.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
    on_dead_maps="warn",  # most classes are in one image or none
)
infer = dict(scales=(0.5,), flip=False)
