"""From walked seeds to masks: normalization, background score, seed power, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from refine.infer import (
    WalkScores,
    mask_of_scores,
    read_edge,
    read_walk,
    walk_seed,
    write_edge,
    write_masks,
)
from refine.walk import random_walk
from wsss.artifacts import Seed, write_seed
from wsss.errors import ArtifactError

SETTINGS = {"radius": 5.0, "beta": 10.0, "steps": 256, "seed_power": 1.0}


CONFIG = {
    "labels": {"num_workers": 1},
    "infer": {"background_score": 0.3, "unsure_margin": 0.0, "crf": False},
}


class Images:
    """A data set whose images nobody needs to open."""

    def image_path(self, image_id):
        return None

    image_file = image_path


def scores_of(maps, size):
    maps = np.asarray(maps, np.float32)
    return WalkScores(np.arange(1, len(maps) + 1, dtype=np.uint8) * 3, maps, size)


def test_upsampled_as_torch_does():
    maps = np.random.default_rng(0).random((2, 5, 4)).astype(np.float32)
    full = scores_of(maps, (18, 13)).upsample()
    assert full.shape == (2, 18, 13)
    assert full.max() == 1
    by_hand = torch.nn.functional.interpolate(torch.from_numpy(maps)[None], size=(20, 16), mode="bilinear")[0]
    by_hand = by_hand[:, :18, :13]
    np.testing.assert_allclose(full, by_hand / by_hand.max(), rtol=1e-6)


@pytest.mark.parametrize(
    ("background_score", "labels"),
    [(0.2, [6, 6, 3, 3]), (0.55, [0, 0, 3, 3]), (0.45, [6, 0, 3, 3]), (0.0, [6, 6, 3, 3])],
)
def test_background_score_is_against_the_largest_of_all_classes(background_score, labels):
    # Class 3 rises to .8, class 6 falls from .4: the second is worth .5 of the first.
    maps = np.zeros((2, 1, 16), np.float32)
    maps[0, 0, 8:] = 0.8
    maps[1, 0, :4], maps[1, 0, 4:8] = 0.4, 0.3
    mask = mask_of_scores(scores_of(maps, (4, 64)), background_score=background_score)
    assert mask.dtype == np.uint8
    assert mask[2, [4, 24, 40, 60]].tolist() == labels


@pytest.mark.parametrize("maps", [np.zeros((0, 3, 3)), np.zeros((2, 3, 3))])
def test_nothing_found_is_background(maps):
    mask = mask_of_scores(scores_of(maps, (10, 11)), background_score=0.2)
    assert mask.shape == (10, 11)
    assert (mask == 0).all()


def test_power_acts_before_the_walk():
    maps = np.random.default_rng(0).random((2, 6, 7)).astype(np.float32)
    edge = torch.rand(1, 6, 7, generator=torch.Generator().manual_seed(0))
    seed = Seed(np.array([1, 2], np.uint8), maps, (24, 28))
    walked = walk_seed(seed, edge, SETTINGS | {"seed_power": 1.5})
    expected = random_walk(torch.from_numpy(maps**1.5), edge).numpy()
    np.testing.assert_allclose(walked, expected / expected.max(), rtol=1e-5)
    assert walked.max() == 1


def test_walk_of_an_empty_seed():
    seed = Seed(np.zeros(0, np.uint8), np.zeros((0, 2, 2), np.float32), (8, 8))
    assert walk_seed(seed, torch.zeros(1, 2, 2), SETTINGS).shape == (0, 2, 2)
    seed = Seed(np.array([4], np.uint8), np.zeros((1, 2, 2), np.float32), (8, 8))
    assert (walk_seed(seed, torch.zeros(1, 2, 2), SETTINGS) == 0).all()


def test_edge_file_is_16_bit_gray(tmp_path):
    path = tmp_path / "sub" / "a 1.png"
    write_edge(path, torch.tensor([[[0.0, 0.5, 1.0]]]))
    with Image.open(path) as image:
        assert np.asarray(image).tolist() == [[0, 32768, 65535]]
    # Half a step of 1/65535.
    torch.testing.assert_close(read_edge(path, (1, 3)), torch.tensor([[[0.0, 0.5, 1.0]]]), rtol=0, atol=1e-5)


def test_edge_file_of_8_bits(tmp_path):
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "a.png")
    torch.testing.assert_close(read_edge(tmp_path / "a.png", (1, 3)), torch.tensor([[[0.0, 0.2, 1.0]]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"expected edges of size \(1, 2\) as a gray PNG at .*a.png, got no image: delete it"),
        (b"broken", "got no image"),
        (np.zeros((1, 3), np.uint8), r"got uint8 \(1, 3\)"),
        (np.zeros((1, 2, 3), np.uint8), r"got uint8 \(1, 2, 3\)"),
    ],
)
def test_wrong_edge_files(tmp_path, content, message):
    if isinstance(content, bytes):
        (tmp_path / "a.png").write_bytes(content)
    elif content is not None:
        Image.fromarray(content).save(tmp_path / "a.png")
    with pytest.raises(ArtifactError, match=message):
        read_edge(tmp_path / "a.png", (1, 2))


def test_unsure_where_the_background_score_decides():
    maps = np.zeros((1, 1, 16), np.float32)
    maps[0, 0] = np.repeat([0.1, 0.4, 0.6, 1.0], 4)
    mask = mask_of_scores(scores_of(maps, (4, 64)), background_score=0.5, unsure_margin=0.2)
    assert mask[2, [4, 24, 40, 60]].tolist() == [0, 255, 255, 3]


def test_crf_follows_the_image():
    # The walk stops at column 32; the image's only edge is at column 40.
    maps = np.zeros((1, 8, 16), np.float32)
    maps[:, :, :8] = 1
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, 40:] = 255
    scores = scores_of(maps, (32, 64))
    plain = mask_of_scores(scores, background_score=0.5)
    sharp = mask_of_scores(scores, background_score=0.5, image=image)
    assert plain[16].tolist().index(0) == 32
    assert sharp[16].tolist().index(0) == 40


def test_masks_are_written_once(tmp_path):
    maps = np.zeros((1, 2, 2), np.float32)
    maps[0, 0] = 1
    write_seed(tmp_path / "walk" / "one.npz", classes=np.array([5]), maps=maps, size=(8, 8))
    assert write_masks(Images(), image_ids=["one"], out_dir=tmp_path, config=CONFIG) == 1
    with Image.open(tmp_path / "one.png") as image:
        assert image.mode == "P"
        mask = np.asarray(image)
    np.testing.assert_array_equal(
        mask, mask_of_scores(read_walk(tmp_path / "walk" / "one.npz"), background_score=0.3)
    )
    assert set(np.unique(mask)) == {0, 5}
    (tmp_path / "walk" / "one.npz").unlink()
    assert write_masks(Images(), image_ids=["one"], out_dir=tmp_path, config=CONFIG) == 0
