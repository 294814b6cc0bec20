# A part of COCO 2014: `wsss data coco --preset coco_mini` builds its tags and ground truth (seconds). It
# shows that everything works; 98 images of 80 classes teach no network.
dataset = dict(
    type="coco",
    name="coco_mini",
    root="../shared/data/coco_mini",  # relative to the project root
    labels="data/coco_mini",  # folder for what is built; ../shared is not ours to write to
    year=2014,
    counts=dict(train=98, val=100),
    train_split="train",
    val_split="val",
)
