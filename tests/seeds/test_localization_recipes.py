"""Published settings of BAS for localisation."""

import pytest

from seeds.localization_backbones import LIBRARY_NAMES
from seeds.localization_recipes import PUBLISHED, learning_rate_factor, published_recipe
from seeds.methods.bas_localization import VERSIONS
from seeds.methods.bcam import PUBLISHED as BCAM
from wsss.cli.stages import load_config
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


FILES = {"vgg16": "vgg16", "resnet50": "r50", "mobilenetv1": "mbv1", "inception_v3": "inception_v3"}


@pytest.mark.parametrize("key", [key for key in PUBLISHED if key[0] == "ijcv"], ids="-".join)
def test_presets_have_the_published_settings(key):
    _, dataset, backbone = key
    recipe = PUBLISHED[key]
    config = load_config("seeds", f"bas_localization_{FILES[backbone]}_{dataset}")
    assert (config.method, config.dataset.name, config.model.backbone) == (
        "bas_localization", dataset, backbone,
    )  # fmt: skip
    model, train, infer = config.model, config.train, config.infer
    assert (model.version, model.alpha, model.beta) == (recipe.version, recipe.alpha, recipe.beta)
    assert (train.batch_size, train.epochs, train.decay_epochs) == (
        recipe.batch_size, recipe.epochs, recipe.decay_epochs,
    )  # fmt: skip
    assert infer.top_k == recipe.top_k
    assert infer.threshold == recipe.threshold or recipe.threshold is None
    assert (train.learning_rate, train.momentum, train.weight_decay) == (1e-3, 0.9, 5e-4)
    assert (train.nesterov, train.resize, train.crop) == (True, 256, 224)


@pytest.mark.parametrize(("preset", "name"), [("bcam_r50_cub", "cub_resnet50"), ("bcam_r50_voc", "voc_code")])
def test_presets_of_bcam_have_the_published_settings(preset, name):
    recipe, config = BCAM[name], load_config("seeds", preset)
    model, train = config.model, config.train
    assert (model.layout, model.heads, model.backbone) == (recipe.layout, recipe.heads, recipe.backbone)
    assert set(model.loss_weights.values()) == {1.0}
    for setting in ("epochs", "batch_size", "learning_rate", "weight_decay", "momentum", "nesterov"):
        assert train[setting] == getattr(recipe, setting), setting
    assert (train.decay_epochs or None) == recipe.decay_every
    assert train.head_factor == recipe.new_layer_factor
