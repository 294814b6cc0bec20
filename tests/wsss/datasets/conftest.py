"""A hand-made folder in the layout of VOC."""

import numpy as np
import pytest
from PIL import Image


class VocFolder:
    """Builds ``root`` piece by piece; images are 4 x 6 pixels."""

    def __init__(self, root):
        self.root = root
        (root / "ImageSets" / "Segmentation").mkdir(parents=True)
        (root / "JPEGImages").mkdir()

    def write_list(self, split, text):
        (self.root / "ImageSets" / "Segmentation" / f"{split}.txt").write_bytes(text.encode())

    def write_image(self, image_id):
        path = self.root / "JPEGImages" / f"{image_id}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(path)

    def write_mask(self, image_id, folder="SegmentationClass"):
        (self.root / folder).mkdir(exist_ok=True)
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(self.root / folder / f"{image_id}.png")

    def write_annotation(self, image_id, *names, difficult=0, part=""):
        (self.root / "Annotations").mkdir(exist_ok=True)
        inner = f"<part><name>{part}</name></part>" if part else ""
        objects = "".join(
            f"<object><name>{name}</name><difficult>{difficult}</difficult>{inner}</object>" for name in names
        )
        path = self.root / "Annotations" / f"{image_id}.xml"
        path.write_text(f"<annotation><filename>{image_id}.jpg</filename>{objects}</annotation>")


@pytest.fixture
def voc(tmp_path):
    folder = VocFolder(tmp_path / "VOC2012")
    folder.write_list("train", "2007_000001\n2007_000002\n")
    for image_id in ("2007_000001", "2007_000002"):
        folder.write_image(image_id)
    return folder
