# ILSVRC 2012 by the lists of wsolevaluation: images in train/nXXXXXXXX, val2 (ImageNetV2) and val; val is for
# choices, test for the figures.
dataset = dict(
    type="wsol",
    name="ilsvrc",
    layout="wsol",
    root="data/ILSVRC",  # relative to the project root
    metadata="data/wsol_metadata/ILSVRC",  # folder of the lists
    masks=None,  # folder of label maps ID.png
    classes=None,  # names in label order; None: the folders of train
    counts=dict(train=1281167, val=10000, test=50000),  # lists of other lengths are refused
    check_boxes=True,  # refuse boxes that leave their images
    train_split="train",
    val_split="val",
)
