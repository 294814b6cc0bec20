# OpenImages with masks, by the lists that BAS published: train_images.txt, test_images.txt, test_mask.txt.
# Those of wsolevaluation do too: layout="wsol" (docs/localization.md).
dataset = dict(
    type="wsol",
    name="openimages",
    layout="openimages",
    root="data/OpenImages",  # relative to the project root
    metadata=None,  # folder of the lists; None: the root
    masks=None,  # folder of label maps ID.png
    classes=None,  # names in label order; None: those of classes.txt
    counts=dict(train=29819, test=5000),  # lists of other lengths are refused
    check_boxes=True,  # refuse boxes that leave their images
    train_split="train",
    val_split="test",
)
