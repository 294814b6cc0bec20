"""Fusing with the foreground map and combining methods, by hand-worked values."""

import numpy as np
import pytest
import torch

from seeds.fuse import combine, fuse_foreground, normalize, normalize_signed, write_combined, write_fused
from wsss.artifacts import MANIFEST, SCHEMA, open_artifact, read_seed, write_json, write_seed
from wsss.errors import ArtifactError, ConfigError

CLASS_MAPS = np.array([[[0.8, 0.2], [0.5, 1.0]]])
FOREGROUND = np.array([[0.4, 0.6], [0.5, 0.0]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [("replace", [[[0.4, 0.2], [0.5, 0.0]]]), ("average", [[[0.6, 0.2], [0.5, 0.5]]])],
)
def test_only_what_is_above_the_foreground_map_changes(how, expected):
    np.testing.assert_allclose(fuse_foreground(CLASS_MAPS, FOREGROUND, how=how), expected)
    tensor = fuse_foreground(torch.from_numpy(CLASS_MAPS), torch.from_numpy(FOREGROUND), how=how)
    np.testing.assert_allclose(tensor.numpy(), expected)


def test_average_is_the_default():
    np.testing.assert_array_equal(
        fuse_foreground(CLASS_MAPS, FOREGROUND), fuse_foreground(CLASS_MAPS, FOREGROUND, how="average")
    )


def test_refuses_what_it_cannot_fuse():
    with pytest.raises(ConfigError, match="expected 'average' or 'replace', got 'sum'"):
        fuse_foreground(CLASS_MAPS, FOREGROUND, how="sum")
    with pytest.raises(ValueError, match=r"got \(1, 2, 2\) and \(2, 3\)"):
        fuse_foreground(CLASS_MAPS, np.zeros((2, 3)))


def test_combined_seeds_weigh_each_method_alike():
    first = np.array([[[4.0, 0.0], [2.0, 0.0]]])
    second = np.array([[[0.0, 0.1], [0.05, 0.0]]])
    # Normalized: [1 0; .5 0] + [0 1; .5 0] = [1 1; 1 0].
    np.testing.assert_allclose(combine([first, second]), [[[1, 1], [1, 0]]], atol=1e-3)
    np.testing.assert_allclose(combine([first]), [[[1, 0], [0.5, 0]]], atol=1e-4)


def test_combining_nothing_or_different_shapes_is_refused():
    with pytest.raises(ValueError, match="got none"):
        combine([])
    with pytest.raises(ValueError, match="of one shape"):
        combine([np.zeros((1, 2, 2)), np.zeros((2, 2, 2))])


def test_normalize_keeps_an_empty_map_and_no_maps():
    assert normalize(np.zeros((1, 3, 3))).max() == 0
    assert normalize(np.zeros((0, 3, 3))).shape == (0, 3, 3)


def publish(folder, seeds, foreground=None):
    """Published seeds of images of 4 x 8 pixels: image id -> {class: its one row of two values}."""
    for image_id, maps in seeds.items():
        write_seed(
            folder / f"{image_id}.npz",
            classes=np.array(list(maps)),
            maps=np.array(list(maps.values()), float).reshape(-1, 1, 2),
            size=(4, 8),
            foreground=None if foreground is None else np.array([foreground]),
        )
    ids = list(seeds)
    write_json(
        folder / MANIFEST, {"schema": SCHEMA, "kind": "seeds", "split": "train", "image_ids": ids, "key": "k"}
    )
    return open_artifact(folder)


def test_published_seeds_are_combined_class_by_class(tmp_path):
    one = publish(tmp_path / "one", {"a": {3: [1, 0], 5: [0, 0.5]}})
    other = publish(tmp_path / "other", {"a": {5: [1, 1], 3: [0, 1]}})
    write_combined([one, other], out_dir=tmp_path / "out")
    seed = read_seed(tmp_path / "out" / "a.npz")
    assert seed.classes.tolist() == [3, 5]
    # Class 3: [1 0] + [0 1]; class 5: [0 .5] and [1 1], normalized to [0 1] + [1 1], divided by 2.
    np.testing.assert_allclose(seed.maps[:, 0], [[1, 1], [0.5, 1]], atol=1e-3)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param({"b": {3: [1, 0]}}, r"2 are in one only \(first: a\)", id="other-images"),
        pytest.param({"a": {4: [1, 0]}}, r"expected classes \[3\].* for a, got \[4\]", id="other-classes"),
    ],
)
def test_seeds_of_different_data_are_not_combined(tmp_path, other, message):
    one = publish(tmp_path / "one", {"a": {3: [1, 0]}})
    with pytest.raises(ArtifactError, match=message):
        write_combined([one, publish(tmp_path / "other", other)], out_dir=tmp_path / "out")


@pytest.mark.parametrize(
    ("how", "expected"), [("replace", [[0.5, 1], [1, 1]]), ("average", [[0.75, 1], [1, 2 / 3]])]
)
def test_class_maps_are_fused_with_another_methods_class_agnostic_map(how, expected, tmp_path):
    one = publish(tmp_path / "one", {"a": {5: [1, 1], 3: [0.5, 0.25]}})
    # Divided by its maximum it is [.5 1]. Class 5: [1 1] becomes [.5 1], the mean is [.75 1]. Class 3:
    # [.5 .25], divided by its maximum [1 .5], becomes [.5 .5] and [1 1] in the end; the mean [.75 .5] becomes
    # [1 2/3].
    other = publish(tmp_path / "other", {"a": {}}, foreground=[0.2, 0.4])
    write_fused(one, other, how=how, out_dir=tmp_path / "out")
    seed = read_seed(tmp_path / "out" / "a.npz")
    assert seed.classes.tolist() == [5, 3]
    np.testing.assert_allclose(seed.maps[:, 0], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("seeds", "other", "foreground", "message"),
    [
        pytest.param(
            {"a": {3: [1, 0]}}, {"a": {3: [1, 0]}}, None, "a class-agnostic map for a in .*other", id="none"
        ),
        pytest.param(
            {"a": {}}, {"a": {3: [1, 0]}}, [1, 0], "expected class maps for a in .*one", id="no-classes"
        ),
        pytest.param({"a": {}}, {"b": {}}, [1, 0], "2 are in one only", id="other-images"),
    ],
)
def test_what_cannot_be_fused_is_named(seeds, other, foreground, message, tmp_path):
    one = publish(tmp_path / "one", seeds)
    with pytest.raises(ArtifactError, match=message):
        write_fused(
            one, publish(tmp_path / "other", other, foreground), how="average", out_dir=tmp_path / "out"
        )


def test_signed_maps_are_parted_at_0():
    inside, outside = normalize_signed(torch.tensor([[[4.0, -2.0, -8.0]], [[-1.0, -2.0, 0.0]]]))
    np.testing.assert_allclose(inside, [[[1, 0, 0]], [[0, 0, 0]]], atol=1e-4)
    # Cut off at the height of the maximum; all is outside where nothing is above 0.
    np.testing.assert_allclose(outside, [[[0, 0.5, 1]], [[1, 1, 0]]], atol=1e-4)
