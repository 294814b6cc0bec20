import colorsys

import numpy as np
import pytest

from wsss.datasets import scenes
from wsss.datasets.grounds import draw_ground, hsv_to_rgb, smooth_noise
from wsss.datasets.scenes import CREATURES, draw_scene

TRIPLES = [(1, 2, 3), (6, 5, 4), (2, 4, 6), (5, 3, 1)]


@pytest.fixture(scope="module")
def crowded():
    """Twelve pictures of three creatures each."""
    return [
        (labels, draw_scene(labels, (112, 144), np.random.default_rng([seed, *labels])))
        for seed in range(3)
        for labels in TRIPLES
    ]


def test_a_scene_shows_exactly_the_classes_asked_for(crowded):
    for labels, scene in crowded:
        assert set(np.unique(scene.mask)) == {0, *labels}
        assert (scene.image.shape, scene.image.dtype) == ((112, 144, 3), np.uint8)
        assert (scene.mask.dtype, scene.heads.dtype) == (np.uint8, bool)


def test_every_creature_can_be_seen_and_its_head_is_small(crowded):
    for labels, scene in crowded:
        for label in labels:
            whole = scene.mask == label
            assert whole.mean() > 0.05
            assert 0.075 < (whole & scene.heads).sum() / whole.sum() < 0.16
        # Heads are parts of creatures.
        assert not (scene.heads & (scene.mask == 0)).any()


@pytest.mark.parametrize("label", range(1, 7))
def test_a_single_creature_covers_a_tenth_to_two_fifths(label):
    covers = [
        (draw_scene((label,), (128, 128), np.random.default_rng(seed)).mask > 0).mean() for seed in range(8)
    ]

    assert min(covers) > 0.1
    assert max(covers) < 0.42


def test_masks_are_exact(monkeypatch):
    # On a black ground every pixel of a creature is brighter than any noise.
    monkeypatch.setattr(scenes, "draw_ground", lambda size, rng: np.zeros((*size, 3)))

    for seed in range(4):
        scene = draw_scene((2, 4, 5), (112, 120), np.random.default_rng(seed))
        np.testing.assert_array_equal(scene.image.max(axis=2) > 24, scene.mask > 0)


def test_bodies_of_a_pair_look_alike_and_heads_do_not():
    bodies, heads = {}, {}
    for label in (1, 2, 3):
        colours = [[], []]
        for seed in range(10):
            scene = draw_scene((label,), (112, 112), np.random.default_rng(seed))
            for part, where in enumerate((scene.heads, (scene.mask > 0) & ~scene.heads)):
                colours[part].append(scene.image[where].mean(axis=0) / scene.image[where].mean())
        heads[label], bodies[label] = (np.mean(part, axis=0) for part in colours)

    assert abs(bodies[1] - bodies[2]).max() < 0.5 * abs(bodies[1] - bodies[3]).max()
    assert abs(heads[1] - heads[2]).max() > abs(bodies[1] - bodies[2]).max()


@pytest.mark.parametrize("labels", [(), (1, 2, 3, 4), (1, 1), (0,), (7,)])
def test_other_labels_are_refused(labels):
    with pytest.raises(ValueError, match=r"expected one to three different labels of 1\.\.6, got \["):
        draw_scene(labels, (112, 112), np.random.default_rng(0))


def test_there_is_a_name_for_each_label():
    assert len(set(CREATURES)) == 6


def test_grounds_differ_with_the_generator_and_stay_in_range():
    first, again, other = (draw_ground((40, 60), np.random.default_rng(seed)) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.1
    for seed in range(12):
        ground = draw_ground((40, 60), np.random.default_rng(seed))
        assert ground.shape == (40, 60, 3)
        assert ground.min() >= 0
        assert ground.max() <= 1
        assert ground.std() > 0.01


def test_colours_agree_with_colorsys():
    hue, saturation, value = np.random.default_rng(0).uniform(0, 1, (3, 5, 4))

    ours = hsv_to_rgb(hue * 360 - 360, saturation, value)

    theirs = [
        colorsys.hsv_to_rgb(*each)
        for each in zip(hue.ravel(), saturation.ravel(), value.ravel(), strict=True)
    ]
    np.testing.assert_allclose(ours.reshape(-1, 3), theirs, atol=1e-12)


def test_numbers_are_spread_over_fields():
    assert hsv_to_rgb(120.0, 1.0, np.full((2, 3), 0.5)).tolist() == [[[0.0, 0.5, 0.0]] * 3] * 2


def test_noise_has_the_wanted_size_and_range():
    noise = smooth_noise((31, 17), 5, np.random.default_rng(0))

    assert noise.shape == (31, 17)
    assert abs(noise).max() <= 1
    # Neighbours are alike: the lumps are five pixels wide.
    assert abs(np.diff(noise, axis=0)).mean() < 0.5 * noise.std()


def test_several_creatures_of_one_class_are_told_apart():
    scene = draw_scene((3, 3), (112, 144), np.random.default_rng(0), repeated=True)
    assert scene.instances.shape == (2, 112, 144)
    np.testing.assert_array_equal(scene.instances.any(axis=0), scene.mask == 3)
    assert not scene.instances.all(axis=0).any()
    # What lies in front is whole: with one creature all of it is seen.
    one = draw_scene((3,), (112, 144), np.random.default_rng(0))
    np.testing.assert_array_equal(one.instances[0], one.mask == 3)
