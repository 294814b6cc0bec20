# Demo data for localisation: made on the spot, seeded, no download. One class an image, exact boxes.
dataset = dict(
    type="demo_boxes",
    name="demo_boxes",
    root="data/demo_boxes",  # relative to the project root
    train=480,  # images in split train
    val=120,  # images in split val
    side=128,  # mean side of the images in pixels; it varies by an eighth to both sides
    random_seed=0,
    train_split="train",
    val_split="val",
)
