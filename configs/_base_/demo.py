# Demo data: made on the spot, seeded, no download (about 20 s). Pictures of six invented creatures.
dataset = dict(
    type="demo",
    name="demo",
    root="data/demo",  # relative to the project root
    train=480,  # images in split train
    val=120,  # images in split val
    side=128,  # mean side of the images in pixels; it varies by an eighth to both sides
    random_seed=0,
    train_split="train",
    val_split="val",
)
