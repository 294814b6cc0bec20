"""How maps come to lie on the image: IRN's way, against a second implementation and by hand."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from seeds.infer import OWN_CAM, multi_scale_maps, write_seeds
from seeds.methods import find_method
from wsss.artifacts import read_seed
from wsss.cli.stages import load_config
from wsss.datasets import FolderDataSet
from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD, normalize_image
from wsss.keys import settings_that_matter
from wsss.ranges import check_ranges

SCALES = (1.0, 0.5, 1.5, 2.0)
MEAN, STD = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)


class Cells(nn.Module):
    """Maps of stride 16: red and green at the middle of each cell, and as CAM their squares."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def seed_maps(self, image):
        height, width = image.shape[2:]
        rows = torch.arange(0, height, 16).add(8).clamp(max=height - 1)
        columns = torch.arange(0, width, 16).add(8).clamp(max=width - 1)
        return image[:, :2, rows][..., columns].relu()

    def maps_and_cam(self, image):
        maps = self.seed_maps(image)
        return maps, maps.square()


def cells_by_hand(pixels):
    """The maps of `Cells` of (H, W, 3) values in [0, 255], in numpy."""
    normalized = (pixels / 255 - MEAN) / STD
    height, width = pixels.shape[:2]
    rows = np.minimum(np.arange(0, height, 16) + 8, height - 1)
    columns = np.minimum(np.arange(0, width, 16) + 8, width - 1)
    return np.maximum(normalized[rows][:, columns, :2], 0)


def authors_high_res(pixels, maps_of=cells_by_hand):
    """IRN's ``high_res`` before it is divided: Pillow scales, cv2 upsamples, numpy flips, adds and cuts."""
    height, width = pixels.shape[:2]
    padded = ((width + 15) // 16 * 16, (height + 15) // 16 * 16)
    total = 0
    for scale in SCALES:
        size = (round(width * scale), round(height * scale))
        scaled = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC), np.float32)
        cells = maps_of(scaled) + maps_of(scaled[:, ::-1])[:, ::-1]
        total = total + cv2.resize(np.ascontiguousarray(cells), padded, interpolation=cv2.INTER_LINEAR)
    return total[:height, :width].transpose(2, 0, 1)


@pytest.fixture
def pixels():
    """A smooth picture of middle tones, whose sides 16 does not divide."""
    coarse = np.random.default_rng(0).integers(130, 210, (5, 7, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((93, 71), Image.Resampling.BICUBIC))


def test_cut_maps_are_those_of_a_second_implementation(pixels):
    found = multi_scale_maps(
        Cells(), normalize_image(pixels)[None], scales=SCALES, flip=True, geometry="irn"
    ).numpy()
    expected = authors_high_res(pixels)
    assert found.shape == expected.shape == (2, 71, 93)
    # Pillow rounds scaled pixels to whole numbers: at most half a step of 1/255, over .22, in three scales
    # with their flips.
    np.testing.assert_allclose(found, expected, atol=6 * 0.5 / 255 / 0.22)
    stretched = multi_scale_maps(Cells(), normalize_image(pixels)[None], scales=SCALES, flip=True).numpy()
    full = np.stack([cv2.resize(one, (93, 71), interpolation=cv2.INTER_LINEAR) for one in stretched])
    assert np.abs(full - expected).max() > 1


def test_a_cell_is_as_large_as_the_stride():
    class Ramp(nn.Module):
        def seed_maps(self, image):
            return torch.tensor([[[[0.0, 1.0]]]])

    image = torch.zeros(1, 3, 16, 20)
    cut = multi_scale_maps(Ramp(), image, scales=(1,), flip=False, geometry="irn")
    # Middles of the cells lie at 8 and 24, outside the image, pixel 19 at 19.5.
    assert cut[0, 0, 19] == pytest.approx((19.5 - 8) / 16)
    stretched = multi_scale_maps(Ramp(), image, scales=(1,), flip=False)
    assert stretched[0, 0, 4] == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (16, 16), (17, 1), (33, 48)])
def test_images_of_any_size_are_covered(tmp_path, size):
    Image.new("RGB", size[::-1], (200, 180, 160)).save(tmp_path / "a.png")
    (tmp_path / "tags.csv").write_text("file,tags\na.png,cat dog\n")
    settings = dict(load_config("seeds", "cam_plain8_demo").infer) | {"geometry": "irn", "scales": (1, 0.5)}
    dataset = FolderDataSet(tmp_path, classes=["cat", "dog"])
    write_seeds(Cells(), dataset, ["a"], out_dir=tmp_path, settings=settings | {"image_specific": False})
    seed = read_seed(tmp_path / "a.npz")
    assert seed.size == size
    np.testing.assert_allclose(seed.upsample(), 1, atol=1e-3)


@pytest.fixture
def dataset(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "tags.csv").write_text("file,tags\na.png,cat dog\n")
    return FolderDataSet(tmp_path, classes=["cat", "dog"])


@pytest.mark.parametrize("geometry", ["irn", "stretch"])
def test_published_seeds_have_the_geometry_that_is_set(dataset, tmp_path, pixels, geometry):
    settings = dict(load_config("seeds", "bas_plain8_demo").infer) | {
        "scales": SCALES,
        "image_specific": False,
        "geometry": geometry,
    }
    write_seeds(Cells(), dataset, ["a"], out_dir=tmp_path, settings=settings, own_cam_of=["a"])
    for file, maps_of in (("a.npz", cells_by_hand), (f"{OWN_CAM}/a.npz", lambda x: cells_by_hand(x) ** 2)):
        expected = authors_high_res(pixels, maps_of)
        expected = expected / (expected.max(axis=(1, 2), keepdims=True) + 1e-5)
        seed = read_seed(tmp_path / file)
        difference = np.abs(seed.upsample() - expected).mean()
        # What stride 4 and float16 cost, against what the geometry changes.
        assert difference < 0.005 if geometry == "irn" else difference > 0.02, file


@pytest.mark.parametrize("method", ["bas", "cam"])
def test_the_geometry_is_a_setting_with_two_values(method):
    config = load_config("seeds", f"{method}_plain8_demo")
    assert config.infer.geometry == "stretch"
    config.infer.geometry = "cut"
    with pytest.raises(ConfigError, match=r"infer\.geometry one of 'stretch', 'irn', got 'cut'"):
        check_ranges(config, find_method(method).ranges)


@pytest.mark.parametrize(
    ("stage", "preset", "name", "value"),
    [
        ("seeds", "bas_plain8_demo", "geometry", "irn"),
        ("seeds", "cam_plain8_demo", "geometry", "irn"),
        ("seeds", "bas_plain8_demo", "split", "val"),
        ("seeds", "bcam_plain8_demo_boxes", "ten_crops", True),
        ("refine", "irn_plain8_demo", "pad_to", 512),
    ],
)
def test_only_another_value_makes_published_files_stale(stage, preset, name, value):
    config = load_config(stage, preset)
    assert f"infer.{name}" not in settings_that_matter(config)
    config.infer[name] = value
    assert settings_that_matter(config)[f"infer.{name}"] == value


@pytest.mark.parametrize("preset", ["bas_r50_voc", "bas_foreground_r50_voc", "cam_r50_voc", "bas_r50_coco"])
def test_presets_of_published_figures_have_irns(preset):
    assert load_config("seeds", preset).infer.geometry == "irn"
