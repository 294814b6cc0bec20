"""What trainings write for TensorBoard, read back by its own reader."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from refine.live import draw_edges
from seeds.live import draw_maps
from segment.live import draw_predictions
from wsss.artifacts import voc_palette
from wsss.images import denormalize_image, normalize_image
from wsss.live import FOLDER, PictureHook
from wsss.training import Schedule, train_network

WHITE = torch.from_numpy(np.full((8, 8, 3), 255, np.uint8)).permute(2, 0, 1)


class Images(torch.utils.data.Dataset):
    """Eight images of noise with a tag."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {"image": torch.randn(3, 8, 8, generator=generator), "tags": torch.tensor([0.0, 1.0])}


class Maps(nn.Module):
    """Two maps; counts what was asked for in which mode."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.drop = nn.Dropout(0.5)
        self.modes = []

    def training_losses(self, batch, *, step):
        loss = self.drop(self.layer(batch["image"])).square().mean()
        return {"loss": loss, "area": loss.detach()}

    def seed_maps(self, image):
        self.modes.append((self.training, torch.is_grad_enabled(), len(image)))
        return self.layer(image).relu()


def train(out_dir, *, drawn):
    torch.manual_seed(0)
    network = Maps()
    train_network(
        network,
        Images(),
        out_dir=out_dir,
        schedule=Schedule(10, 4, 0.1, 0.0, 0.0, num_workers=0),
        parameter_groups=[{"params": list(network.parameters())}],
        random_seed=0,
        description="maps",
        hooks=[PictureHook(network, partial(draw_maps, network))] if drawn else [],
    )
    return network


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return train(folder, drawn=True), folder


def test_scalars_and_pictures_are_written(drawn):
    network, folder = drawn
    events = EventAccumulator(str(folder / FOLDER), size_guidance={"images": 0})
    events.Reload()
    assert {"loss", "area", "lr"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["image 0", "image 1", "image 2", "image 3"]
    pictures = events.Images("image 3")
    assert [one.step for one in pictures] == list(range(2, 21, 2))  # ten times in twenty steps
    assert (pictures[0].height, pictures[0].width) == (8, 16)  # the image, and the map of its one tag
    assert network.modes == [(False, False, 4)] * 10


def test_pictures_change_no_training(drawn, tmp_path):
    network, _ = drawn
    alone = train(tmp_path, drawn=False)
    assert torch.equal(alone.layer.weight, network.layer.weight)


def test_normalizing_is_undone():
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    assert (denormalize_image(normalize_image(image)) == image).all()


class Fixed(nn.Module):
    """Gives the same maps for any image."""

    def __init__(self, maps):
        super().__init__()
        self.maps = nn.Parameter(maps, requires_grad=False)

    def seed_maps(self, image):
        return self.maps

    def edge_logit(self, image):
        return self.maps

    def data_preprocessor(self, batch, training):
        return {"inputs": torch.stack(batch["inputs"]).float()}

    def forward(self, inputs, mode):
        return self.maps


def columns(picture):
    """The mean colour of each square panel."""
    panels = np.split(picture, picture.shape[1] // picture.shape[0], axis=1)
    return [panel.reshape(-1, 3).mean(axis=0) for panel in panels]


@pytest.mark.parametrize(
    ("maps", "tags", "panels"),
    [
        pytest.param(2, [0.0, 1.0], 2, id="class"),
        pytest.param(3, [1.0, 1.0], 4, id="both"),
        pytest.param(1, [1.0, 1.0], 2, id="agnostic"),
    ],
)
def test_maps_of_tags_and_the_agnostic_one_are_drawn(maps, tags, panels):
    batch = {"image": torch.zeros(1, 3, 8, 8), "tags": torch.tensor([tags])}
    (picture,) = draw_maps(Fixed(torch.ones(1, maps, 2, 2)), batch)
    assert picture.shape == (8, 8 * panels, 3)


def test_edges_stand_beside_labels():
    batch = {
        "image": normalize_image(np.zeros((8, 8, 3), np.uint8))[None],
        "label": torch.full((1, 2, 2), 3).byte(),
    }
    image, label, edge = columns(*draw_edges(Fixed(torch.full((1, 1, 2, 2), -20.0)), batch))
    assert not image.any()
    np.testing.assert_array_equal(label, np.round(0.75 * voc_palette()[3]))
    assert not edge.any()


def test_predictions_stand_beside_masks():
    logit = torch.zeros(1, 3, 2, 2)
    logit[:, 2] = 1
    mask = SimpleNamespace(gt_sem_seg=SimpleNamespace(data=torch.full((1, 8, 8), 1)))
    image, own, predicted = columns(
        *draw_predictions(Fixed(logit), {"inputs": [WHITE], "data_samples": [mask]})
    )
    assert image.tolist() == [255, 255, 255]
    palette = voc_palette().astype(float)
    np.testing.assert_array_equal(own, np.round(0.75 * palette[1] + 0.25 * 255))
    np.testing.assert_array_equal(predicted, np.round(0.75 * palette[2] + 0.25 * 255))
