# A part of VOC 2012, re-encoded: compare methods with each other on it, never with published figures.
dataset = dict(
    type="voc",
    name="voc_mini",
    root="../shared/data/voc_mini/VOC2012",  # relative to the project root
    labels="../shared/data/voc_lists/cls_labels.npy",  # there are no XML files
    counts=dict(train=664, train_aug=1464, val=335),  # lists of other lengths are refused
    train_split="train",
    val_split="val",
)
