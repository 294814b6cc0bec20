# Your own images: any folder of them, and a CSV with the columns file and tags (docs/own-folder.md).
dataset = dict(
    type="folder",
    name="folder",
    root="data/folder",  # the images; relative to the project root, or --data-root
    labels=None,  # the CSV; None: tags.csv in the folder
    ground_truth=None,  # folder of masks ID.png, if there are any: for scores alone
    classes=None,  # names in label order; None: those in the CSV, sorted
    exif="apply",  # turn images as their EXIF headers ask; "keep": take them as they are stored
    counts=dict(),  # split -> number of images it must have
    train_split="all",  # "all", or a name in the CSV's column split
    val_split="all",
)
