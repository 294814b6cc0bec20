"""The stage seeds on images that are not as usual."""

import numpy as np
import pytest
from PIL import Image

from seeds.stage import STAGE
from wsss.artifacts import read_seed
from wsss.cli.stages import load_config
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import DataError

SMALL = (
    "train.resize=40", "train.crop=32", "train.epochs=2", "train.batch_size=3", "train.num_workers=1",
    "model.warmup_epochs=1", "infer.scales=(1.0, 0.5)",
)  # fmt: skip
SIZES = {"gray": (20, 30), "cmyk": (20, 30), "turned": (20, 30), "one": (1, 1), "thin": (3, 50)}


@pytest.fixture
def root(tmp_path):
    """A folder in the layout of VOC, with an image of each kind; (height, width) as stored."""
    root = tmp_path / "data"
    for folder in ("JPEGImages", "ImageSets/Segmentation", "Annotations"):
        (root / folder).mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    for number, (name, size) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).convert({"gray": "L", "cmyk": "CMYK"}.get(name, "RGB"))
        image.save(root / "JPEGImages" / f"{name}.jpg", exif=turned if name == "turned" else Image.Exif())
        xml = f"<annotation><object><name>{('cat', 'dog')[number % 2]}</name></object></annotation>"
        (root / "Annotations" / f"{name}.xml").write_text(xml)
    (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(SIZES))
    return root


def run(root):
    config = load_config("seeds", "demo", options=SMALL)
    config.dataset = {
        "type": "voc",
        "root": str(root),
        "classes": ["cat", "dog"],
        "train_split": "train",
        "val_split": "train",
    }
    return run_stage(STAGE, Settings(config), dataset_name="odd", work_dir=root.parent / "work")


def test_unusual_images_get_seeds_of_their_size(root, caplog):
    artifact = run(root)
    assert artifact.ids == tuple(SIZES)
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        seed = read_seed(artifact.file(name))
        assert seed.size == (height, width)
        assert seed.classes.tolist() == [number % 2 + 1]
        assert seed.maps.shape == (1, (height - 1) // 4 + 1, (width - 1) // 4 + 1)
    assert "the headers of 1 images: turned" in caplog.text
    # No ground truth, no score.
    assert "mIoU" not in artifact.manifest["figures"]
    assert artifact.manifest["geometry"] == "stretch"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: truncate(root / "JPEGImages/gray.jpg"),
            r"expected a whole image at .*gray\.jpg, got: .*",
        ),
        (lambda root: (root / "JPEGImages/one.jpg").unlink(), r"missing 1: .*one\.jpg"),
        (lambda root: (root / "Annotations/thin.xml").unlink(), r"expected tags for all 5 images.*1: thin"),
        (
            lambda root: (root / "ImageSets/Segmentation/train.txt").write_text("gray\nturned\n"),
            r"expected images with different tags in split train of voc, got cat for all 2: ",
        ),
    ],
    ids=["truncated", "no-file", "no-tags", "one-tag"],
)
def test_damaged_data_are_named_before_the_training(root, change, message):
    change(root)
    with pytest.raises(DataError, match=message):
        run(root)
    assert not (root.parent / "work/seeds/train").exists()


def truncate(file):
    file.write_bytes(file.read_bytes()[:-200])
