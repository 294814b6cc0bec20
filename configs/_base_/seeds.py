# The settings that all methods of the stage `seeds` share, with their defaults (the authors' BAS on VOC).
# Each method adds its own, and may have other defaults for these: seeds/methods/. A key that is in neither is
# refused. Presets need not inherit this file: what they do not set comes from here.
# "bas", "cam" (the baseline), "bas_localization", "bcam", "fam", "ornet", "combine" (nothing is trained), or
# that of an installed package
method = "bas"
random_seed = 0
score_split = None  # the split whose figures are published; None: dataset.score_split, else all images
model = dict(
    backbone="resnet50",
    pretrained="imagenet",  # None: random; "imagenet": downloaded once; or the path of a state dict
)
train = dict(
    resize=512,
    crop=448,
    epochs=10,
    batch_size=16,
    optimizer="sgd",  # or "adam", or "adamw", which transformers want
    learning_rate=0.005,
    layer_decay=1.0,  # factor on the rate from one level of the backbone to the one below it
    momentum=1e-4,
    poly_length=4.0,  # over the training's length: the rate ends at .77 of its start; 1: at 0
    weight_decay=1e-4,
    num_workers=2,
    amp=None,  # half precision: "bf16" (also on CPUs) or "fp16" (GPU)
    compile=False,  # torch.compile the training step: a minute to start, faster steps
)
infer = dict(
    split=None,  # whose seeds are written; None: that of the training
    scales=(1.0, 0.5, 1.5, 2.0),
    flip=True,
    # fixed one, scored beside the oracle's; IRN's for confident foreground. "tags": no ground truth
    threshold=0.3,
    logits=False,  # publish the network's logits of each image in its seed
    amp=None,  # "bf16" or "fp16": mixed precision
)
baselines = dict()  # name -> config file beside this one; published as seeds-NAME
