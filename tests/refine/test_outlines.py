"""Background scores by the edges along the outlines of masks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refine.infer import EDGE, WALK, write_edge, write_masks
from refine.outlines import edges_of_outlines, mean_of_outlines, score_of_outlines
from wsss.artifacts import Seed, read_mask, write_seed
from wsss.evaluate import THRESHOLDS

EDGES = np.array([[0.0, 0.1, 0.1, 0.8, 0.8, 0.1, 0.0]], np.float32)


def walked(rows, classes=(1,)):
    """Walked maps (K, h, w) of one image."""
    maps = np.array(rows, np.float32)
    return Seed(np.array(classes, np.uint8), maps, (4 * maps.shape[1], 4 * maps.shape[2]))


def at(threshold):
    return int(np.abs(THRESHOLDS - threshold).argmin())


def test_edges_along_outlines_by_hand():
    edge = np.array([[0.0, 0.2, 0.6, 0.1]], np.float32)
    # Pairs have .2, .6 and .6, so their mean is 1.4 / 3. The outline is one pair.
    strong, weak = 0.6 - 1.4 / 3, 0.2 - 1.4 / 3
    found = edges_of_outlines(walked([[[0.9, 0.7, 0.4, 0.1]]]), edge)
    for threshold, expected in ((0.05, 0), (0.2, strong), (0.5, strong), (0.8, weak), (0.95, 0)):
        assert found[at(threshold)] == pytest.approx(expected, abs=1e-6), threshold
    # Two classes side by side have an outline until both are background: at .3 it is two pairs.
    two = walked([[[0.9, 0.7, 0.0, 0.0]], [[0.0, 0.0, 0.6, 0.1]]], classes=(1, 2))
    found = edges_of_outlines(two, edge)
    for threshold, expected in ((0.05, strong), (0.3, strong * 2**0.5), (0.65, strong), (0.8, weak)):
        assert found[at(threshold)] == pytest.approx(expected, abs=1e-6), threshold
    assert not edges_of_outlines(walked(np.zeros((0, 1, 4)), classes=()), edge).any()
    # An image of one cell has no neighbours.
    assert not edges_of_outlines(walked([[[1.0]]]), edge[:, :1]).any()


def test_edges_along_outlines_equal_those_of_the_masks_themselves():
    """Against masks made one by one, on random maps of three classes."""
    draws = np.random.default_rng(0)
    maps, edge = draws.random((3, 9, 7)).astype(np.float32), draws.random((9, 7)).astype(np.float32)
    found = edges_of_outlines(walked(maps, classes=(1, 4, 5)), edge)
    down, right = np.maximum(edge[1:], edge[:-1]), np.maximum(edge[:, 1:], edge[:, :-1])
    for threshold in (0.0, 0.35, 0.8, 0.97, 0.99):
        mask = np.where(maps.max(axis=0) > threshold, maps.argmax(axis=0) + 1, 0)
        along = np.concatenate([down[mask[1:] != mask[:-1]], right[mask[:, 1:] != mask[:, :-1]]])
        mean = np.concatenate([down.ravel(), right.ravel()]).mean()
        expected = (along.mean() - mean) * len(along) ** 0.5 if len(along) else 0
        assert found[at(threshold)] == pytest.approx(expected, abs=1e-5)


def test_a_mask_has_the_score_that_puts_its_outline_on_edges():
    none = np.zeros(len(THRESHOLDS))
    for rows, low, high in (
        ([[[0.9, 0.8, 0.7, 0.6, 0.2, 0.1, 0.05]]], 0.1, 0.7),
        ([[[0.5, 0.4, 0.3, 0.08, 0.03, 0.02, 0.01]]], 0.02, 0.3),
    ):
        assert low <= score_of_outlines(walked(rows), EDGES, none) < high
    # No outline at all, and edges that are the same everywhere: the authors' score.
    flat = np.full_like(EDGES, 0.5)
    assert score_of_outlines(walked(np.zeros((0, 1, 7)), classes=()), EDGES, none) == 0.22
    assert score_of_outlines(walked([[[0.9, 0.8, 0.7, 0.6, 0.2, 0.1, 0.05]]]), flat, none) == 0.22


def test_other_images_decide_where_an_image_says_little():
    images = {
        "a": walked([[[0.9, 0.8, 0.7, 0.6, 0.2, 0.1, 0.05]]]),
        "empty": walked(np.zeros((0, 1, 7)), classes=()),
    }
    mean = mean_of_outlines(list(images), read=lambda one: (images[one], EDGES))
    np.testing.assert_allclose(mean, edges_of_outlines(images["a"], EDGES) / 2)
    flat = np.full_like(EDGES, 0.5)
    # At .3 this image would be foreground in one pixel less than at .1; its edges do not say which.
    silent = walked([[[0.9, 0.3, 0.3, 0.3, 0.3, 0.2, 0.2]]])
    assert score_of_outlines(silent, flat, mean) == THRESHOLDS[mean.argmax()]
    assert not mean_of_outlines([], read=lambda one: (images[one], EDGES)).any()


def test_masks_are_written_each_at_its_own_score(tmp_path):
    """The same edges, and maps that fall earlier: one score for both would lose one of them."""
    high = np.array([[[1.0, 0.8, 0.7, 0.6, 0.3, 0.2, 0.2]]], np.float32).repeat(2, axis=1)
    images = {"a": high, "b": high**4}
    edge = np.repeat(EDGES, 2, axis=0)
    for image_id, maps in images.items():
        write_seed(tmp_path / WALK / f"{image_id}.npz", classes=np.array([3]), maps=maps, size=(8, 28))
        write_edge(tmp_path / EDGE / f"{image_id}.png", torch.from_numpy(edge)[None])
    config = {
        "labels": {"num_workers": 1},
        "infer": {"background_score": "tags", "unsure_margin": 0.0, "crf": False},
    }
    dataset = SimpleNamespace(image_file=lambda one: None)
    none = np.zeros(len(THRESHOLDS))
    assert write_masks(dataset, image_ids=["a", "b"], out_dir=tmp_path, config=config, outlines=none) == 2
    for image_id in images:
        mask = read_mask(tmp_path / f"{image_id}.png")
        # Foreground as far as the edges.
        assert (mask[:, :10] == 3).all()
        assert (mask[:, 20:] == 0).all()
