# COCO 2014, as methods with image tags use it: images without objects are left out.
# `wsss data coco` builds the tags and the ground truth from the official annotations, once.
dataset = dict(
    type="coco",
    name="coco",
    root="data/coco",  # train2014, val2014, annotations; relative to the project root
    labels=None,  # folder for what `wsss data coco` builds; None: the root
    year=2014,
    counts=dict(train=82081, val=40137),  # other numbers of images are refused
    train_split="train",
    val_split="val",
)
