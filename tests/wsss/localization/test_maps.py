import numpy as np
import pytest

from wsss.localization import normalize_score_map, normalize_then_enlarge


@pytest.mark.parametrize("normalize", [normalize_score_map, normalize_then_enlarge])
@pytest.mark.parametrize(
    "score_map",
    [
        pytest.param(np.full((7, 7), 0.3, np.float32), id="constant"),
        pytest.param(np.array([[0, np.nan], [1, 0]]), id="nan"),
        pytest.param(np.array([[0, np.inf], [1, 0]]), id="infinite"),
        pytest.param(np.array([[5e-324, 0], [0, 0]]), id="vanishing"),
    ],
)
def test_a_map_that_says_nothing_is_zero(normalize, score_map):
    full = normalize(score_map, (10, 12))
    assert full.shape == (10, 12)
    # A single subnormal value may survive as one peak or vanish; it must not become NaN.
    assert np.isfinite(full).all()
    if score_map.max() != 5e-324:
        assert not full.any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_range_and_size(dtype):
    score_map = np.random.default_rng(0).normal(5, 3, (28, 20)).astype(dtype)
    full = normalize_score_map(score_map, (224, 160))
    assert (full.shape, full.min(), full.max()) == ((224, 160), 0, 1)
    bas = normalize_then_enlarge(score_map, (224, 160))
    assert bas.shape == (224, 160)
    assert bas.min() >= 0
    assert bas.max() < 1


def test_cubic_comes_before_the_stretching():
    # Cubic weights overshoot beside a step: stretched first, the result would leave [0, 1].
    step = np.repeat([[0.0, 0, 0, 1, 1, 1]], 6, axis=0)
    full = normalize_score_map(step, (24, 24))
    assert (full.min(), full.max()) == (0, 1)
    assert full[12, 0] > 0.02  # the level far from the step lies above the dip


def test_a_batch_of_maps_is_refused():
    with pytest.raises(ValueError, match=r"score map \(h, w\), got shape \(1, 28, 28\)"):
        normalize_score_map(np.zeros((1, 28, 28)), (224, 224))
