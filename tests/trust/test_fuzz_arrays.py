"""Made-up images, seeds and labels of any size: a value in its range, or one of our own errors."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from refine.infer import WalkScores, mask_of_scores
from refine.labels import confident_label
from refine.walk import random_walk
from seeds.fuse import combine, fuse_foreground, normalize
from wsss.artifacts import grid_of, read_mask, read_seed, write_mask, write_seed
from wsss.errors import ArtifactError, WsssError
from wsss.formats import import_seeds
from wsss.images import check_images, read_image, read_size
from wsss.metrics import confusion_matrix, mean_iou

SIDES = st.integers(1, 64)
_SIZES = st.tuples(SIDES, SIDES)
_ANY = st.sampled_from([0.0, 0.25, 1.0, 1e-30, -1e-6, 1.0001, 1e38, np.nan, np.inf, -np.inf])
_IN_RANGE = st.sampled_from([0.0, 1e-7, 0.25, 0.5, 1.0])


def refused(call, *arguments, **named):
    """Whether a call refuses in our own words; any other error is a crash and fails the test."""
    try:
        call(*arguments, **named)
    except WsssError as error:
        said = str(error)
    else:
        return False
    assert said.startswith("expected ")
    return True


def filled(draw, shape, values, dtype=np.float32):
    """An array of few distinct values, drawn at a handful of places: most of it is one of them."""
    return draw(npst.arrays(dtype, shape, elements=values.map(dtype), fill=values.map(dtype)))


@given(
    size=_SIZES,
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]),
    format=st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"]),
    orientation=st.integers(0, 9),
    damage=st.none() | st.tuples(st.floats(0, 1), st.integers(0, 255)),
)
def test_images(tmp_path, size, mode, format, orientation, damage):
    path = tmp_path / "a.img"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    try:
        Image.new(mode, size[::-1]).save(stream, format, exif=exif.tobytes())
    except (OSError, ValueError, KeyError):
        return  # the format has no such mode
    content = bytearray(stream.getvalue())
    if damage is not None:
        place = min(int(damage[0] * len(content)), len(content) - 1)
        content[place] ^= damage[1]
        content = content[: len(content) if damage[1] % 2 else place]
    path.write_bytes(content)
    refused(check_images, {"a": path})
    refused(read_mask, path)
    if not refused(read_image, path):
        image = read_image(path)
        assert image.dtype == np.uint8
        assert image.shape == (*read_size(path), 3)


@given(data=st.data(), size=_SIZES, classes=st.lists(st.integers(-1, 300), max_size=4))
def test_a_seed_is_refused_or_read_as_it_was_written(tmp_path, data, size, classes):
    path = tmp_path / "a.npz"
    path.unlink(missing_ok=True)
    grid = grid_of(size)
    maps = filled(data.draw, (len(classes), *grid), data.draw(st.sampled_from([_ANY, _IN_RANGE])))
    labels = np.array(classes, np.int64)
    if refused(write_seed, path, classes=labels, maps=maps, size=size):
        # Nothing is left of what was refused.
        assert not path.exists()
        return
    seed = read_seed(path)
    np.testing.assert_allclose(seed.maps, maps, atol=5e-4)
    assert seed.classes.tolist() == classes
    full = seed.upsample()
    assert full.shape == (len(classes), *size)
    assert not full.size or (full.min() >= 0 and full.max() <= 1 + 1e-6)


@given(data=st.data(), size=_SIZES, shape=st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_seeds_of_other_methods(tmp_path_factory, data, size, shape):
    folder = tmp_path_factory.mktemp("foreign")
    keys = data.draw(st.lists(st.integers(-2, 260), max_size=3))
    grid = grid_of(size)
    right = st.just((len(keys), *size)) | st.just((len(keys), *grid)) | st.just(tuple(shape))
    maps = filled(data.draw, data.draw(right), data.draw(st.sampled_from([_ANY, _IN_RANGE])))
    entries = {"keys": np.array(keys, np.int64), "cam": maps, "high_res": maps, "hr_cam": maps}
    source = folder / "from"
    source.mkdir()
    np.save(
        source / "a.npy", data.draw(st.sampled_from([entries, dict(zip(keys, maps, strict=False)), keys]))
    )
    np.savez(source / "a.npz", classes=np.array(keys), maps=maps, size=np.array(size))
    for format in ("irn", "puzzle", "psa", "clip-es", "npz"):
        refused(import_seeds, format, source, folder / format)


@given(data=st.data(), size=_SIZES)
def test_masks_come_back_or_are_refused(tmp_path, data, size):
    mask = filled(data.draw, size, st.sampled_from([0, 1, 20, 255, 256, -1]), np.int64)
    if not refused(write_mask, tmp_path / "a.png", mask):
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png", size=size), mask)


@given(data=st.data(), count=st.integers(0, 4), size=st.tuples(st.integers(1, 16), st.integers(1, 16)))
def test_the_walk_stays_in_range(data, count, size):
    seed = torch.from_numpy(filled(data.draw, (count, *size), _IN_RANGE))
    edge = torch.from_numpy(filled(data.draw, (1, *size), _IN_RANGE))
    walked = random_walk(seed, edge, steps=data.draw(st.integers(0, 300)))
    assert walked.shape == seed.shape
    # Each step takes means of what is there; the polynomials may overshoot by their tail.
    assert bool(((walked >= -1e-6) & (walked <= 1 + 1e-6)).all())
    bad = edge.clone()
    bad[0, 0, 0] = data.draw(st.sampled_from([np.nan, np.inf, -1.0, 1.5]))
    with pytest.raises(ValueError, match=r"expected edges in \[0, 1\]"):
        random_walk(seed, bad)


@given(data=st.data(), size=_SIZES, classes=st.sets(st.integers(1, 254), max_size=3))
def test_labels_are_out_of_the_classes(data, size, classes):
    labels = np.array(sorted(classes), np.int64)
    maps = filled(data.draw, (len(labels), *size), _IN_RANGE)
    image = filled(data.draw, (*size, 3), st.sampled_from([0, 128, 255]), np.uint8)
    low, high = sorted(data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    label = confident_label(image, maps, labels, foreground_threshold=high, background_threshold=low)
    assert label.shape == size
    assert set(np.unique(label)) <= {0, 255, *classes}
    grid = (len(labels), *grid_of(size))
    scores = WalkScores(labels.astype(np.uint8), filled(data.draw, grid, _IN_RANGE), size)
    mask = mask_of_scores(scores, background_score=high, unsure_margin=low)
    assert mask.shape == size
    assert set(np.unique(mask)) <= {0, 255, *classes}


@given(data=st.data(), count=st.integers(0, 4), size=_SIZES)
def test_fused_maps_stay_in_range(data, count, size):
    maps = filled(data.draw, (count, *size), _IN_RANGE)
    foreground = filled(data.draw, size, _IN_RANGE)
    for how in ("average", "replace"):
        fused = fuse_foreground(maps, foreground, how=how)
        assert (fused <= maps + 1e-7).all()
    for result in (normalize(maps), combine([maps, maps])):
        assert result.shape == maps.shape
        assert ((result >= 0) & (result <= 1)).all()


@given(data=st.data(), size=_SIZES, classes=st.integers(1, 254))
def test_a_score_counts_each_pixel_that_is_not_ignored(data, size, classes):
    truth = filled(data.draw, size, st.sampled_from([0, classes, 255]), np.uint8)
    prediction = filled(data.draw, size, st.sampled_from([0, classes]), np.uint8)
    counts = confusion_matrix(prediction, truth, classes)
    assert counts.sum() == (truth != 255).sum()
    score = mean_iou(counts)
    assert np.isnan(score) if not counts.sum() else 0 <= score <= 1


@pytest.mark.parametrize("label", [-1, 256, 300])
def test_labels_do_not_wrap_round(tmp_path, label):
    with pytest.raises(ArtifactError, match=r"got \[-?\d+\] at .*: labels are stored in 8 bits"):
        write_seed(tmp_path / "a.npz", classes=[label], maps=np.zeros((1, 1, 1)), size=(1, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_that_lies_on_its_side_is_turned_whole(tmp_path, orientation):
    pixels = np.arange(15, dtype=np.uint8).reshape(3, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format in ("TIFF", "PNG"):
        Image.fromarray(pixels).save(tmp_path / f"a.{format}", format, exif=exif.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.TIFF"), read_image(tmp_path / "a.PNG"))


def test_a_made_up_npz_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", classes=np.array([1]), maps=np.full((1, 2, 2), np.nan), size=[5, 5])
    with pytest.raises(ArtifactError, match=r"expected maps in \[0, 1\], got nan"):
        read_seed(tmp_path / "a.npz")
