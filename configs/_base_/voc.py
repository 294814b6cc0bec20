# PASCAL VOC 2012 with SBD's additional images (train_aug), as published methods use it.
dataset = dict(
    type="voc",
    name="voc",
    root="data/VOCdevkit/VOC2012",  # relative to the project root
    labels=None,  # cls_labels.npy with the tags; None: read Annotations/*.xml
    counts=dict(train=1464, train_aug=10582, val=1449, test=1456),  # lists of other lengths are refused
    train_split="train_aug",
    score_split="train",  # the part of train_split whose figures are published beside those of all
    val_split="val",
)
