"""Dead class channels are counted over epochs, named, and stop the training."""

from types import SimpleNamespace

import pytest
import torch

from seeds.watch import WatchMaps
from wsss.errors import TrainingError

CLASSES = ("cat", "dog", "cow")


@pytest.fixture
def run_epoch():
    """Feed one epoch: {class: (area, L_bas) of each level, one after the other}, drawn ``draws`` times."""
    network = SimpleNamespace()
    watches = {how: WatchMaps(network, CLASSES, on_dead=how) for how in ("stop", "warn")}

    def run(figures, *, on_dead="stop", draws=5, epoch=0):
        watch = watches[on_dead]
        drawn = [CLASSES.index(name) for name in figures for _ in range(draws)]
        watch._observe(
            {
                "drawn_class": torch.tensor(drawn),
                "image_area": torch.tensor([figures[CLASSES[i]][::2] for i in drawn]).T,
                "image_background": torch.tensor([figures[CLASSES[i]][1::2] for i in drawn]).T,
                "classification": torch.tensor(2.5),
            }
        )
        watch.after_train_epoch(SimpleNamespace(epoch=epoch, iter=40 * (epoch + 1)))
        return watch.figures()

    return run


def test_figures_are_means_per_class(run_epoch):
    figures = run_epoch({"cat": (0.25, 0.5), "cow": (0.5, 0.125)}, draws=4)
    assert figures["map_area"] == {"cat": 0.25, "cow": 0.5}
    assert figures["map_background_suppression"] == {"cat": 0.5, "cow": 0.125}


@pytest.mark.parametrize("dead", [(0.0, 0.97), (0.99, 0.0)])
def test_maps_dead_for_two_epochs_stop_the_training(run_epoch, dead):
    run_epoch({"cat": dead, "dog": (0.3, 0.2)})
    with pytest.raises(
        TrainingError, match=r"at step 80 .*cat .*classification loss 2\.50.*normalize"
    ) as stop:
        run_epoch({"cat": dead, "dog": (0.3, 0.2)}, epoch=1)
    assert "dog" not in str(stop.value)


def test_maps_that_are_dead_on_one_of_two_levels_stop_the_training(run_epoch):
    """Their mean over the levels looks alive."""
    maps = {"cat": (0.5, 0.25, 0.0, 0.75), "dog": (0.25, 0.25, 0.25, 0.25)}
    figures = run_epoch(maps)
    assert figures["map_area"] == {"cat": 0.25, "dog": 0.25}
    assert figures["map_background_suppression"] == {"cat": 0.5, "dog": 0.25}
    with pytest.raises(TrainingError, match=r"area/L_bas: cat 0\.000/0\.75; classification"):
        run_epoch(maps, epoch=1)


def test_a_map_that_comes_back_is_not_dead(run_epoch):
    for epoch, area in enumerate((0.0, 0.3, 0.0)):
        run_epoch({"cat": (area, 0.9)}, epoch=epoch)


def test_small_maps_that_hold_the_evidence_live(run_epoch):
    for epoch in range(3):
        run_epoch({"cat": (0.01, 0.1)}, epoch=epoch)


def test_rarely_drawn_classes_are_not_judged(run_epoch):
    for epoch in range(3):
        run_epoch({"cat": (0.0, 1.0)}, draws=4, epoch=epoch)


def test_a_warning_is_enough_where_the_user_says_so(run_epoch, caplog):
    for epoch in range(3):
        run_epoch({"cat": (0.0, 1.0)}, on_dead="warn", epoch=epoch)
    assert "maps empty or full after epoch 3: cat" in caplog.text
