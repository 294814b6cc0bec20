# Images of voc_mini whose mask has one class, with a box for each notable part of it: made on the spot.
# Objects are large: look at the baselines beside every figure. A bicycle in val is left out: train has none.
dataset = dict(
    type="voc_boxes",
    name="voc_boxes",
    root="data/voc_boxes",  # lists and masks are written there; relative to the project root
    images="../shared/data/voc_mini/VOC2012",  # any folder in VOC's layout
    labels="../shared/data/voc_lists/cls_labels.npy",
    splits=("train", "train_aug", "val"),  # the classes are those of the first one
    counts=dict(train=409, train_aug=762, val=208),  # other numbers are refused
    train_split="train_aug",
    val_split="val",
)
