"""Rates that fall in steps, against the published courses."""

import pytest

from seeds.localization_recipes import learning_rate_factor
from seeds.localization_settings import check_nesterov, in_steps
from seeds.methods.bcam import PUBLISHED
from wsss.errors import ConfigError
from wsss.training import Schedule


def plain(epochs):
    return Schedule(epochs=epochs, batch_size=1, learning_rate=1.0, momentum=0, weight_decay=0)


def factor(schedule, epoch):
    """Share of the rate that mmengine's MultiStepLR leaves in an epoch, counted from 0."""
    return schedule.rates["gamma"] ** sum(one <= epoch for one in schedule.rates["milestones"])


@pytest.mark.parametrize(("epochs", "every"), [(9, 3), (120, 80), (50, 20)])
def test_bas_falls_at_every_multiple(epochs, every):
    schedule = in_steps(plain(epochs), every)
    for epoch in range(epochs):
        assert factor(schedule, epoch) == pytest.approx(learning_rate_factor(epoch, decay_epochs=every))


@pytest.mark.parametrize("name", ["cub_resnet50", "cub_inception_v3", "openimages"])
def test_bcam_falls_an_epoch_early(name):
    recipe = PUBLISHED[name]
    schedule = in_steps(plain(recipe.epochs), recipe.decay_every, early=1)
    for epoch in range(recipe.epochs):
        assert factor(schedule, epoch) == pytest.approx(recipe.rate_factor(epoch))


def test_0_leaves_the_schedule_as_it_is():
    schedule = plain(5)
    assert in_steps(schedule, 0) is schedule


def test_nesterov_needs_a_momentum():
    settings = {"nesterov": True, "optimizer": "sgd", "momentum": 0.9}
    check_nesterov(settings)
    check_nesterov(settings | {"optimizer": "adam", "momentum": 0.0})
    with pytest.raises(
        ConfigError, match=r"expected train\.momentum above 0 with train\.nesterov=True, got 0"
    ):
        check_nesterov(settings | {"momentum": 0.0})
