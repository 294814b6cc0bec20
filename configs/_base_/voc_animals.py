# Six classes of VOC 2012 with about as many images of each as in VOC's own train_aug, re-encoded. The images
# have no other tags. Seeds and masks are scored on the part that VOC calls train.
dataset = dict(
    type="voc",
    name="voc_animals",
    root="../shared/data/voc_mini/VOC2012",  # relative to the project root
    labels="../shared/data/voc_lists/cls_labels.npy",  # there are no XML files
    only=("cat", "cow", "dog", "horse", "sheep", "person"),
    counts=dict(animals_train_aug=2666, animals_train=385, animals_val=205),
    train_split="animals_train_aug",
    score_split="animals_train",
    val_split="animals_val",
)
