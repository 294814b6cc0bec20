"""From walked seeds to masks: normalisation, background score, seed power, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from refine.infer import WalkScores, mask_of_scores, read_walk, walk_seed, write_edge, write_masks
from refine.walk import random_walk
from wsss.artifacts import Seed, write_seed

SETTINGS = {"radius": 5.0, "beta": 10.0, "steps": 256, "seed_power": 1.0}


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


def test_edge_file_is_8_bit_gray(tmp_path):
    write_edge(tmp_path / "sub" / "a 1.png", torch.tensor([[[0.0, 0.5, 1.0]]]))
    with Image.open(tmp_path / "sub" / "a 1.png") as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[0, 128, 255]]


def test_masks_are_written_once(tmp_path):
    maps = np.zeros((1, 2, 2), np.float32)
    maps[0, 0] = 1
    write_seed(tmp_path / "walk" / "one.npz", classes=np.array([5]), maps=maps, size=(8, 8))
    write_masks(["one"], out_dir=tmp_path, background_score=0.3)
    with Image.open(tmp_path / "one.png") as image:
        assert image.mode == "P"
        mask = np.asarray(image)
    np.testing.assert_array_equal(
        mask, mask_of_scores(read_walk(tmp_path / "walk" / "one.npz"), background_score=0.3)
    )
    assert set(np.unique(mask)) == {0, 5}
    (tmp_path / "walk" / "one.npz").unlink()
    write_masks(["one"], out_dir=tmp_path, background_score=0.3)
