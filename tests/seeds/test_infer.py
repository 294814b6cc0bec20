"""Multi-scale inference against its definition."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from seeds.infer import image_logits, multi_scale_maps, write_seeds
from seeds.model import BASNet
from seeds.stage import STAGE
from wsss.artifacts import Artifact, read_seed
from wsss.cli.stages import load_config
from wsss.datasets import DataSet
from wsss.errors import DataError
from wsss.evaluate_boxes import seed_reader
from wsss.images import normalize_image
from wsss.stage import Preview

CPU = torch.device("cpu")


def settings(**changed):
    """The stage's `infer` settings with one scale."""
    return dict(load_config("seeds", "demo").infer) | {"scales": (1,), "image_specific": False} | changed


def maps_of(network, image, **options):
    return multi_scale_maps(network, normalize_image(image)[None], **options)


class Brightness(torch.nn.Module):
    """A network whose map is the image's own red channel at stride 4; it knows no neighbours."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def seed_maps(self, image):
        return F.avg_pool2d(image[:, :1], 4, ceil_mode=True)


@pytest.mark.parametrize("size", [(40, 64), (37, 50), (1, 1), (3, 2)])
def test_shape_for_any_size(size):
    image = np.zeros((*size, 3), np.uint8)
    maps = maps_of(Brightness(), image, scales=(1, 0.5, 2), flip=True)
    assert maps.shape == (1, (size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)


def test_flip_is_undone_and_added():
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :8] = 255
    once = maps_of(Brightness(), image, scales=(1,), flip=False)
    twice = maps_of(Brightness(), image, scales=(1,), flip=True)
    torch.testing.assert_close(twice, 2 * once)
    assert once[0, 0, 0] > once[0, 0, -1]


def test_scales_are_summed():
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    both = maps_of(Brightness(), image, scales=(1, 0.5), flip=True)
    parts = [maps_of(Brightness(), image, scales=(scale,), flip=True) for scale in (1, 0.5)]
    torch.testing.assert_close(both, parts[0] + parts[1])


def test_refuses_no_scales():
    with pytest.raises(ValueError, match=r"expected at least one scale.*infer\.scales"):
        maps_of(Brightness(), np.zeros((4, 4, 3), np.uint8), scales=(), flip=True)


class RedGreenBlue(Brightness):
    """Two class maps, red and green, and blue as the class-agnostic map, each in [0, 1]."""

    def seed_maps(self, image):
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        return F.avg_pool2d(image * std + mean, 4, ceil_mode=True)


class OneImage(DataSet):
    """The image ``one.png`` of a folder, with the tag 2 of two classes."""

    name, classes = "one", ("red", "green")

    def __init__(self, root):
        self.root = root

    def ids(self, split):
        return ("one",)

    def image_path(self, image_id):
        return self.root / f"{image_id}.png"

    def tags(self, image_id):
        return (2,)

    def mask_path(self, image_id):
        return None


@pytest.mark.parametrize(
    ("fuse", "expected"), [(None, [0.5, 1.0]), ("replace", [1.0, 0.5]), ("average", [0.8, 1.0])]
)
def test_seeds_are_fused_before_they_are_normalized(tmp_path, fuse, expected):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :8, 1], image[:, 8:, 1] = 102, 204  # green .4 and .8 against blue .4 and .2
    image[:, :8, 2], image[:, 8:, 2] = 102, 51
    Image.fromarray(image).save(tmp_path / "one.png")
    kind = "class" if fuse is None else "both"
    write_seeds(
        RedGreenBlue(),
        OneImage(tmp_path),
        ["one"],
        out_dir=tmp_path,
        settings=settings(fuse=fuse),
        kind=kind,
    )
    seed = read_seed(tmp_path / "one.npz")
    assert seed.classes.tolist() == [2]
    assert seed.thresholds is None
    np.testing.assert_allclose(seed.maps[0, 0, [0, -1]], expected, atol=0.02)
    assert (seed.foreground is None) == (fuse is None)
    if seed.foreground is not None:
        np.testing.assert_allclose(seed.foreground[0, [0, -1]], [0.4, 0.2], atol=0.02)


class Blue(RedGreenBlue):
    """Blue as the class-agnostic map, nothing else; logits are the colours' means."""

    def seed_maps(self, image):
        return super().seed_maps(image)[:, 2:]

    def logits(self, image):
        return super().seed_maps(image).mean(dim=(2, 3))[:, :2]


@pytest.mark.parametrize(("labels", "classes"), [((2,), [2]), ((1, 2), [])])
def test_an_agnostic_map_is_the_class_map_of_images_with_one_tag(tmp_path, labels, classes):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :8, 2], image[:, 8:, 2] = 102, 51
    image[:, :, 1] = 204
    Image.fromarray(image).save(tmp_path / "one.png")
    dataset = OneImage(tmp_path)
    dataset.tags = lambda image_id: labels
    write_seeds(Blue(), dataset, ["one"], out_dir=tmp_path, settings=settings(logits=True), kind="agnostic")
    seed = read_seed(tmp_path / "one.npz")
    assert seed.classes.tolist() == classes
    assert seed.maps.shape == (len(classes), 2, 4)
    np.testing.assert_allclose(seed.foreground[0, [0, -1]], [0.4, 0.2], atol=0.02)
    np.testing.assert_allclose(seed.logits, [0, 0.8], atol=0.01)
    if classes:
        np.testing.assert_allclose(seed.maps[0, 0, [0, -1]], [1, 0.5], atol=0.03)


class Halves(RedGreenBlue):
    """Features are the image's own colours; the logit of class 2 is the mean of green above .3."""

    def extract(self, image):
        return super().seed_maps(image)

    def classify(self, features):
        return (features[:, :2] - 0.3).clamp_min(0)


def test_thresholds_are_searched_for_the_published_map(tmp_path):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :4, 1], image[:, 4:, 1] = 204, 51  # green .8 on a quarter, .2 elsewhere
    Image.fromarray(image).save(tmp_path / "one.png")
    write_seeds(
        Halves(),
        OneImage(tmp_path),
        ["one"],
        out_dir=tmp_path,
        settings=settings(image_specific=True, flip=False),
    )
    seed = read_seed(tmp_path / "one.npz")
    # The map is 1 and .25. From .25 on the mask is the quarter, which holds all evidence: score 0 + .25;
    # below, it is the whole image: score 0 + 1. Of equal scores the first threshold of the grid is kept.
    np.testing.assert_allclose(seed.maps[0, 0], [1, 0.25, 0.25, 0.25], atol=0.01)
    assert seed.thresholds[0] == pytest.approx(0.25)


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / "one.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"one\.png"):
        write_seeds(RedGreenBlue(), OneImage(tmp_path), ["one"], out_dir=tmp_path, settings=settings())


def test_half_precision_moves_maps_by_its_rounding_only():
    torch.manual_seed(0)
    network = BASNet("plain8", num_classes=3).eval()
    image = torch.randn(1, 3, 48, 64)
    full = multi_scale_maps(network, image, scales=(1, 0.5), flip=True)
    half = multi_scale_maps(network, image, scales=(1, 0.5), flip=True, amp=torch.bfloat16)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    # bfloat16 has 8 bits; four maps in [0, 1] are summed.
    torch.testing.assert_close(half, full, atol=0.08, rtol=0)


def test_channels_are_picked_before_they_are_resized():
    torch.manual_seed(0)
    network = BASNet("plain8", num_classes=3).eval()
    image = torch.randn(1, 3, 48, 64)
    every = multi_scale_maps(network, image, scales=(1,), flip=True)
    some = multi_scale_maps(network, image, scales=(1,), flip=True, channels=[2, 0])
    torch.testing.assert_close(some, every[[2, 0]])


class Corner(torch.nn.Module):
    """Logits of a crop: its first and its last pixel."""

    def logits(self, image):
        return torch.stack([image[:, 0, 0, 0], image[:, 0, -1, -1]], dim=1)


def test_ten_crops_are_the_mean_of_ten_softmaxes():
    # 16 x 16 out of 16 * 256 / 224 = 18: resized by nothing, so that every pixel is known.
    image = torch.rand(1, 3, 18, 18, generator=torch.Generator().manual_seed(0))
    shares = []
    for top, left in ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1)):
        crop = image[0, 0, top : top + 16, left : left + 16]
        shares += [torch.stack([one[0, 0], one[-1, -1]]).softmax(0) for one in (crop, crop.flip(1))]
    logits = image_logits(Corner(), image, settings(ten_crops=True, resize=16))
    torch.testing.assert_close(logits.exp(), torch.stack(shares).mean(dim=0))


def test_ten_crops_of_an_image_of_its_own_size_have_that_size():
    image = torch.full((1, 3, 28, 35), 0.25)
    logits = image_logits(Corner(), image, settings(ten_crops=True))
    torch.testing.assert_close(logits.exp(), torch.tensor([0.5, 0.5]))


def test_ten_crops_of_a_sure_network_are_finite():
    class Sure(Corner):
        def logits(self, image):
            return torch.tensor([[0.0, 300.0, -50.0]]).expand(len(image), 3)

    logits = image_logits(Sure(), torch.zeros(1, 3, 28, 28), settings(ten_crops=True))
    torch.testing.assert_close(logits, torch.tensor([-300.0, 0.0, -350.0]))


class Many(Brightness):
    """A map for each of 1,000 classes: the red channel, lower and lower."""

    def seed_maps(self, image):
        return super().seed_maps(image).relu() / torch.arange(1.0, 1001)[:, None, None]


class Thousand(OneImage):
    classes = tuple(f"class {label}" for label in range(1, 1001))

    def tags(self, image_id):
        return (300,)

    def size(self, image_id):
        return 8, 16


def test_maps_of_more_classes_than_8_bits_tell_apart_are_class_agnostic(tmp_path):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8:, 0] = 255
    Image.fromarray(image).save(tmp_path / "one.png")
    dataset = Thousand(tmp_path)
    write_seeds(Many(), dataset, ["one"], out_dir=tmp_path, settings=settings(flip=False))
    seed = read_seed(tmp_path / "one.npz")
    assert (len(seed.classes), seed.maps.shape) == (0, (0, 2, 4))
    np.testing.assert_allclose(seed.foreground, [[0, 0, 1, 1]] * 2, atol=2e-3)
    artifact = Artifact(tmp_path, {"kind": "seeds", "image_ids": ["one"], "classes": dataset.classes})
    answer = seed_reader(artifact, dataset, ["one"])("one")
    assert answer.bilinear[:, 0].max() == 0
    assert answer.bilinear[:, -1].min() > 0.99


class Several(Thousand):
    def ids(self, split):
        return "one", "two"

    def tags(self, image_id):
        return (1, 2) if image_id == "two" else (1,)


def test_several_tags_of_more_classes_than_8_bits_tell_apart_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"at most 254 classes.*got 1000 and several tags for 1: two"):
        STAGE.check(Preview(load_config("seeds", "demo"), Several(tmp_path), {}))
