# tools/run_stage.sh seeds coco_mini
# Shows on two CPU cores that the stage runs on COCO. Expected: no score worth a name: 98 images, 80 classes.
# COCO's weights of the losses: alpha .5, beta 1.5 (paper).
_base_ = ["../_base_/coco_mini.py", "../_base_/seeds_mbv1.py"]
method = "bas"
model = dict(
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    warmup_epochs=1,
    normalize_features=True,
    loss_weights=dict(guidance=0.5, area=1.5),
)
# Most classes are in one image or none.
train = dict(
    resize=128,
    crop=112,
    epochs=2,
    learning_rate=0.003,
    classifier_factor=1.5,
    generator_factor=5.0,
    on_dead_maps="warn",
)
infer = dict(scales=(0.5,), flip=False)
