# CUB-200-2011 by its own lists: one class and one box an image. Unpack CUB_200_2011.tgz, and for PxAP
# segmentations.tgz inside it. CUBV2 has images for choices, in the layout wsol (docs/localization.md).
dataset = dict(
    type="wsol",
    name="cub",
    layout="cub",
    root="data/CUB_200_2011",  # relative to the project root
    metadata=None,  # folder of the lists; None: the root
    masks=None,  # folder of label maps ID.png
    classes=None,  # names in label order; None: those of classes.txt
    counts=dict(train=5994, test=5794),  # lists of other lengths are refused
    check_boxes=True,  # refuse boxes that leave their images
    train_split="train",
    val_split="test",
)
