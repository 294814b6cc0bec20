# tools/run_stage.sh seeds folder --data-root IMAGES
# Your own images on a network that a CPU can train: the settings of voc_mini, with ImageNet weights that are
# downloaded once. Expected: whatever your data give; nothing was measured on them. With a GPU,
# model.backbone=resnet50 train.resize=512 train.crop=448 are the settings of the paper.
_base_ = ["../_base_/folder.py", "../_base_/seeds.py"]
model = dict(backbone="mobilenetv1_100", warmup_epochs=3, normalize_features=True)
train = dict(
    resize=224,
    crop=192,
    epochs=12,
    learning_rate=0.003,
    classifier_factor=1.5,
    generator_factor=5.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
)
infer = dict(scales=(0.5, 0.75, 1.0))
