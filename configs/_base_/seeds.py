# Every setting of the stage `seeds` with its default: the authors' BAS on ImageNet ResNet50 (VOC).
# A key that is not here is refused, so this file is also the list of what can be set.
method = "bas"  # "bas", "cam" (the baseline) or "combine" (nothing is trained: see reads)
reads = ()  # published seeds to combine, by folder name: ("seeds", "seeds-cam")
seed = 0
model = dict(
    backbone="resnet50",
    pretrained="imagenet",  # None: random; "imagenet": downloaded once; or the path of a state dict
    cut=3,  # the generator sits after this level (ResNet: layer3); bas only
    foreground=False,  # train a class-agnostic foreground map beside the class maps; bas only
    warmup_epochs=0,  # classification alone first; needed from random weights; bas only
    normalize_features=False,  # mean 0, deviation 1 before the generators; bas only
    loss_weights=dict(
        guidance=0.2, area=1.2, background=1.0
    ),  # alpha, beta = alpha + lambda, lambda; bas only
    frozen_levels=3,  # no gradient into the stem and the first two layers; cam only
    fixed_batch_norm=False,
)
train = dict(
    resize=512,
    crop=448,
    epochs=10,
    batch_size=16,
    learning_rate=0.005,
    classifier_factor=10.0,
    generator_factor=10.0,
    momentum=1e-4,
    poly_length=4.0,  # over the training's length: the rate ends at .77 of its start; 1: at 0
    biases=False,  # train biases (batch norm's)
    weight_decay=1e-4,
    on_dead_maps="stop",  # or "warn": when class channels stay empty or full for two epochs; bas only
    num_workers=2,
    amp=None,  # half precision: "bf16" (also on CPUs) or "fp16" (GPU)
    compile=False,  # torch.compile the training step: a minute to start, faster steps
)
infer = dict(
    scales=(1.0, 0.5, 1.5, 2.0),
    flip=True,
    fuse=None,  # "average" or "replace": lower the class maps by the foreground map; None: leave it out
    threshold=0.3,  # fixed one, scored beside the oracle's; IRN's for confident foreground
    image_specific=False,  # search a threshold for each map without ground truth, at the first scale
    amp=None,  # "bf16" or "fp16": mixed precision
)
baselines = dict()  # name -> config file beside this one; published as seeds-NAME
