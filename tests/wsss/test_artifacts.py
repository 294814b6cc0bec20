"""The artifact contract: what is written can be read, and nothing broken is read as if it were whole."""

import json

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import (
    atomic_write,
    grid_of,
    open_artifact,
    publish,
    read_mask,
    read_seed,
    voc_palette,
    write_mask,
    write_seed,
)
from wsss.contents import Contents
from wsss.errors import ArtifactError


def test_seed_round_trip(tmp_path):
    maps = np.random.default_rng(0).random((2, 10, 13), np.float32)
    write_seed(tmp_path / "a.npz", classes=np.array([3, 20]), maps=maps, size=(37, 50))
    seed = read_seed(tmp_path / "a.npz")
    assert seed.classes.tolist() == [3, 20]
    assert seed.size == (37, 50)
    np.testing.assert_allclose(seed.maps, maps, atol=5e-4)  # float16 in [0, 1]
    assert seed.upsample().shape == (2, 37, 50)


def test_upsample_equals_torch(tmp_path):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).random((1, 10, 13), np.float32).astype(np.float16)
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=maps, size=(37, 50))
    expected = torch.nn.functional.interpolate(
        torch.tensor(maps.astype(np.float32))[None], (37, 50), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(read_seed(tmp_path / "a.npz").upsample(), expected[0], atol=1e-5)


def test_calibrated_brings_thresholds_to_one_value(tmp_path):
    maps = np.stack([np.full((3, 3), 0.36), np.full((3, 3), 0.6)])
    maps[:, 0, 0], maps[:, 0, 1] = 0, 1
    write_seed(
        tmp_path / "a.npz",
        classes=np.array([3, 20]),
        maps=maps,
        size=(9, 9),
        thresholds=np.array([0.36, 0.6]),
    )
    seed = read_seed(tmp_path / "a.npz")
    np.testing.assert_allclose(seed.thresholds, [0.36, 0.6], atol=1e-6)
    # Both maps lie at their thresholds, so both come to lie at .5; float16 keeps three digits.
    calibrated = seed.calibrated(0.5).maps
    np.testing.assert_allclose(calibrated[:, 2, 2], [0.5, 0.5], atol=1e-3)
    assert calibrated[:, 0, 0].tolist() == [0, 0]
    assert calibrated[:, 0, 1].tolist() == [1, 1]


def test_seed_without_thresholds_cannot_be_calibrated(tmp_path):
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=np.zeros((1, 2, 2)), size=(5, 5))
    with pytest.raises(ArtifactError, match="make them with infer"):
        read_seed(tmp_path / "a.npz").calibrated(0.5)


def test_foreground_map_and_logits_come_back(tmp_path):
    foreground = np.random.default_rng(0).random((3, 3), np.float32)
    maps = np.zeros((0, 3, 3))
    extra = {"foreground": foreground, "logits": np.array([-3.5, 1e5])}
    write_seed(tmp_path / "a.npz", classes=np.zeros(0), maps=maps, size=(9, 9), **extra)
    seed = read_seed(tmp_path / "a.npz")
    assert seed.foreground.dtype == seed.logits.dtype == np.float32
    np.testing.assert_allclose(seed.foreground, foreground, atol=5e-4)  # float16 in [0, 1]
    assert seed.logits.tolist() == [-3.5, 1e5]
    write_seed(tmp_path / "b.npz", classes=np.zeros(0), maps=maps, size=(9, 9))
    assert read_seed(tmp_path / "b.npz").foreground is None
    assert read_seed(tmp_path / "b.npz").logits is None


def test_what_lies_outside_a_border_comes_back_and_moves_it_within_a_cell(tmp_path):
    maps, outside = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 0.25]]])
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=maps, size=(1, 8), outside=outside)
    seed = read_seed(tmp_path / "a.npz")
    np.testing.assert_array_equal(seed.outside, outside)
    # Pixel centres lie at -.375, -.125, .125, ... of the cells: 1 - 1.25 x there.
    expected = [[1, 1, 0.84375, 0.53125, 0.21875, 0, 0, 0]]
    np.testing.assert_allclose(seed.upsample()[0], expected, atol=1e-6)
    assert read_seed(tmp_path / "a.npz").logits is None


def test_seed_without_classes(tmp_path):
    write_seed(tmp_path / "a.npz", classes=np.zeros(0), maps=np.zeros((0, 1, 1)), size=(4, 4))
    assert read_seed(tmp_path / "a.npz").upsample().shape == (0, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"maps": np.zeros((1, 9, 13))}, "expected maps", id="other-size"),
        pytest.param({"maps": np.full((1, 10, 13), 1.5)}, r"in \[0, 1\]", id="above-one"),
        pytest.param({"maps": np.full((1, 10, 13), np.nan)}, r"in \[0, 1\]", id="nan"),
        pytest.param({"classes": np.array([0])}, "background and has no map", id="background"),
        pytest.param(
            {"classes": np.array([1, 1]), "maps": np.zeros((2, 10, 13))}, "distinct classes", id="twice"
        ),
        pytest.param({"thresholds": np.array([1.0])}, r"a threshold in \(0, 1\)", id="threshold-one"),
        pytest.param({"thresholds": np.array([0.3, 0.4])}, "each of 1 maps", id="two-thresholds"),
        pytest.param(
            {"foreground": np.full((10, 13), 1.1)}, r"foreground map .* in \[0, 1\]", id="above-one"
        ),
        pytest.param({"foreground": np.zeros((9, 13))}, r"got \(9, 13\)", id="other-foreground"),
        pytest.param({"foreground": np.full((10, 13), np.nan)}, "of nan to nan", id="nan-foreground"),
        pytest.param(
            {"logits": np.array([np.inf, 0])}, r"finite logits \(C,\), got .* 1 that", id="inf-logits"
        ),
        pytest.param({"logits": np.zeros((1, 2))}, r"got \(1, 2\)", id="logits-of-two-images"),
        pytest.param({"outside": np.zeros((1, 9, 13))}, r"outside as \(1, 10, 13\)", id="other-outside"),
        pytest.param(
            {"outside": np.full((1, 10, 13), np.nan)}, "how far cells are outside", id="nan-outside"
        ),
    ],
)
def test_bad_seeds_are_not_written(tmp_path, change, message):
    good = {"classes": np.array([1]), "maps": np.zeros((1, 10, 13)), "size": (37, 50)}
    with pytest.raises(ArtifactError, match=message):
        write_seed(tmp_path / "a.npz", **(good | change))
    assert list(tmp_path.iterdir()) == []


def test_damaged_seed_is_named(tmp_path):
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=np.zeros((1, 10, 13)), size=(37, 50))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactError, match=r"expected an npz .*a\.npz"):
        read_seed(tmp_path / "a.npz")


def test_pickled_seed_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", classes=np.array([{}], object), maps=np.zeros((1, 1, 1)), size=(4, 4))
    with pytest.raises(ArtifactError, match="expected an npz"):
        read_seed(tmp_path / "a.npz")


def test_mask_round_trip_with_palette(tmp_path):
    mask = np.array([[0, 1, 20], [255, 5, 0]], np.uint8)
    write_mask(tmp_path / "deep" / "a.png", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "deep" / "a.png", num_classes=20, size=(2, 3)), mask)
    with Image.open(tmp_path / "deep" / "a.png") as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)  # VOC's aeroplane


def test_palette_of_voc():
    # published colours: bicycle, bottle, person, tv monitor, void
    palette = voc_palette()
    assert [palette[i].tolist() for i in (2, 5, 15, 20, 255)] == [
        [0, 128, 0], [128, 0, 128], [192, 128, 128], [0, 64, 128], [224, 224, 192],
    ]  # fmt: skip


def test_mask_checks(tmp_path):
    file = tmp_path / "a.png"
    write_mask(file, np.full((2, 3), 21))
    with pytest.raises(ArtifactError, match=r"expected mask values 0..20 or 255, got \[21\] at .*a.png"):
        read_mask(file, num_classes=20)
    with pytest.raises(ArtifactError, match=r"expected a mask of size \(3, 2\), got \(2, 3\)"):
        read_mask(file, size=(3, 2))
    with pytest.raises(ArtifactError, match="found no file"):
        read_mask(tmp_path / "b.png")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ArtifactError, match="expected a whole PNG"):
        read_mask(file)
    Image.new("RGB", (2, 2)).save(file)
    with pytest.raises(ArtifactError, match="got mode RGB"):
        read_mask(file)
    with pytest.raises(ArtifactError, match="expected a mask"):
        write_mask(file, np.full((2, 2), 256))


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def break_off():
        with atomic_write(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="expected a folder that can be written"):
        write_mask(tmp_path / "file" / "a.png", np.zeros((2, 2)))


def manifest(**changes):
    return {"schema": 1, "kind": "masks", "split": "train", "image_ids": ["a"], "key": "k"} | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "found none", id="absent"),
        pytest.param("{", "expected JSON", id="broken"),
        pytest.param("[]", "expected the entries", id="no-table"),
        pytest.param(json.dumps({"schema": 1}), "expected the entries", id="entries-missing"),
        pytest.param(json.dumps(manifest(schema=99)), "got schema 99", id="other-schema"),
        pytest.param(json.dumps(manifest(kind="cats")), "kind 'cats'", id="other-kind"),
        pytest.param(json.dumps(manifest()), r"1 are gone \(first: a\)", id="payload-gone"),
    ],
)
def test_open_refuses(tmp_path, content, message):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=message):
        open_artifact(tmp_path)


def test_open_gives_the_payload(tmp_path):
    write_mask(tmp_path / "a.png", np.zeros((2, 2)))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()))
    artifact = open_artifact(tmp_path)
    assert (artifact.kind, artifact.split, artifact.key, artifact.ids) == ("masks", "train", "k", ("a",))
    assert artifact.file("a") == tmp_path / "a.png"


def test_photos_named_by_their_time_are_vouched_for(tmp_path):
    """mmengine names its own folder and config so, and nobody needs these."""
    write_mask(tmp_path / "20240101_120000.png", np.zeros((2, 2)))
    for name in ("train/20240102_120000.py", "train/20240102_120000/vis_data/scalars.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    publish(tmp_path, manifest() | {"image_ids": ["20240101_120000"]}, Contents())
    assert open_artifact(tmp_path).manifest["files"].keys() == {"20240101_120000.png"}
    write_mask(tmp_path / "20240101_120000.png", np.ones((2, 2)))
    with pytest.raises(ArtifactError, match=r"1 changed \(first: 20240101_120000.png\)"):
        open_artifact(tmp_path)


@pytest.mark.parametrize(("size", "grid"), [((1, 1), (1, 1)), ((4, 5), (1, 2)), ((37, 50), (10, 13))])
def test_grid_has_a_cell_for_every_four_pixels_begun(size, grid):
    assert grid_of(size) == grid
