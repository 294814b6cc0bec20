"""Published settings of BAS for localisation."""

import pytest

from seeds.localization_backbones import LIBRARY_NAMES
from seeds.localization_recipes import PUBLISHED, learning_rate_factor, published_recipe
from seeds.methods.bas_localization import VERSIONS
from wsss.errors import ConfigError


def test_every_recipe_names_what_exists():
    for publication, _, backbone in PUBLISHED:
        recipe = PUBLISHED[publication, _, backbone]
        assert backbone in LIBRARY_NAMES
        assert recipe.version in VERSIONS
        assert recipe.version.startswith(publication)


@pytest.mark.parametrize(
    ("key", "alpha", "beta", "top_k", "threshold", "batch_size", "epochs", "decay_epochs"),
    [
        (("ijcv", "cub", "vgg16"), 0, 0.9, 80, 0.1, 32, 120, 80),
        (("cvpr22", "cub", "vgg16"), 0, 0.7, 80, 0.15, 32, 100, 80),
        (("cvpr22", "cub", "mobilenetv1"), 0.5, 1.5, 200, 0.15, 32, 100, 80),
        (("ijcv", "ilsvrc", "vgg16"), 0.05, 1, 1, 0.45, 256, 9, 3),
        (("cvpr22", "ilsvrc", "vgg16"), 0.05, 1, 1, 0.5, 128, 9, 3),
        (("ijcv", "ilsvrc", "inception_v3"), 1, 2.5, 1, 0.25, 128, 9, 3),
        (("ijcv", "openimages", "resnet50"), 0.5, 1.5, 1, None, 64, 50, 20),
    ],
)
def test_values(key, alpha, beta, top_k, threshold, batch_size, epochs, decay_epochs):
    recipe = published_recipe(*key)
    assert (recipe.alpha, recipe.beta, recipe.top_k, recipe.threshold) == (alpha, beta, top_k, threshold)
    assert (recipe.batch_size, recipe.epochs, recipe.decay_epochs) == (batch_size, epochs, decay_epochs)


def test_unpublished():
    with pytest.raises(ConfigError, match="got ijcv/openimages/vgg16: take the one"):
        published_recipe("ijcv", "openimages", "vgg16")


def test_rate_falls_at_every_multiple():
    factors = [learning_rate_factor(epoch, decay_epochs=3) for epoch in range(9)]
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])
    assert learning_rate_factor(79, decay_epochs=80) == 1
