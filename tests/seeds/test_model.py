"""The BAS and CAM networks: what gets gradients, what keeps its state, what is refused."""

import copy

import pytest
import torch
from torch.nn import functional as F

from seeds.cam import CAMNet
from seeds.model import BASNet, _background_logit, draw_class
from wsss.errors import ConfigError


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 3, 64, 64, generator=generator), torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 1]])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return BASNet("resnet18", 3).train()


def running_statistics(network):
    return {k: v.clone() for k, v in network.state_dict().items() if "running" in k or "num_batches" in k}


def test_background_path_equals_a_deep_copy(network, batch):
    """Second implementation: copy tail and classifier, as the authors do, and run the erased features."""
    image, _ = batch
    features = network.extract(image)
    maps = network.generator(features).sigmoid()[:, :1]
    tail = copy.deepcopy(torch.nn.Sequential(*network.backbone.levels[4:], network.classifier))
    expected = tail(features.detach() * (1 - maps)).mean(dim=(2, 3))
    path = (*network._tail(), network.classifier)
    torch.testing.assert_close(_background_logit(path, features, maps), expected)


def test_background_path_leaves_running_statistics_untouched(network, batch):
    features = network.extract(batch[0])
    before = running_statistics(network)
    _background_logit((*network._tail(), network.classifier), features, torch.full((3, 1, 4, 4), 0.5))
    after = running_statistics(network)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_background_loss_trains_the_generator_alone(network, batch):
    terms = network.losses(*batch, drawn_class=torch.tensor([0, 1, 2]))
    (terms["background_suppression"] + terms["foreground_guidance"]).backward()
    with_gradient = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    # the generator sits on features with gradient, so the levels below it get one; tail and classifier not
    assert "generator.weight" in with_gradient
    assert not any(name.startswith(("backbone.levels.4", "classifier")) for name in with_gradient)


def test_area_is_the_mean_of_the_drawn_map(network, batch):
    network.eval()
    drawn = torch.tensor([0, 2, 2])
    terms = network.losses(*batch, drawn_class=drawn)
    maps = network.maps(batch[0])
    expected = torch.stack([maps[i, c].mean() for i, c in enumerate(drawn)])
    torch.testing.assert_close(terms["image_area"], expected.detach()[None])
    torch.testing.assert_close(terms["area"], expected.mean())


def test_drawn_class_is_a_tag(network, batch):
    drawn = {tuple(network.losses(*batch)["drawn_class"].tolist()) for _ in range(20)}
    assert drawn == {(0, 1, 2), (0, 2, 2)}


def test_draws_are_those_of_multinomial():
    tags = (torch.rand(64, 20) > 0.8).float()
    tags[:, 3] = 1
    torch.manual_seed(5)
    expected = torch.multinomial(tags, 1).squeeze(1)
    torch.manual_seed(5)
    assert torch.equal(draw_class(tags), expected)


def test_weighted_sum(network, batch):
    network.eval()
    image, tags = batch[0][:1], batch[1][:1]
    summed = network.training_losses({"image": image, "tags": tags}, step=0)
    terms = network.losses(image, tags)
    expected = (
        terms["classification"]
        + 0.2 * terms["foreground_guidance"]
        + 1.2 * terms["area"]
        + terms["background_suppression"]
    )
    torch.testing.assert_close(summed["loss"], expected)


def test_warm_up_trains_classification_alone(batch):
    network = BASNet("resnet18", 3, warmup_steps=2)
    terms = {"image": batch[0], "tags": batch[1]}
    assert set(network.training_losses(terms, step=1)) == {"loss", "classification"}
    assert "area" in network.training_losses(terms, step=2)


def test_class_agnostic_map_sums_over_the_tags(batch):
    torch.manual_seed(0)
    network = BASNet("resnet18", 3, foreground=True).eval()
    terms = network.losses(*batch)
    features = network.extract(batch[0])
    maps = network.foreground_generator(features).sigmoid()
    whole = network.classify(features).mean(dim=(2, 3)).relu()
    rest = network.classify(features * (1 - maps)).mean(dim=(2, 3)).relu()
    share = torch.where(rest > whole, 1.0, rest / (whole + 1e-8)) * batch[1]
    torch.testing.assert_close(terms["foreground_background_suppression"], share.sum(dim=1).mean())
    torch.testing.assert_close(terms["foreground_area"], maps.mean())


@pytest.fixture
def two_levels():
    torch.manual_seed(0)
    return BASNet("resnet18", 3, two_levels=True, normalize_features=True).eval()


def test_the_second_level_is_trained_by_the_same_terms(two_levels, batch):
    """Second implementation: the class map is linear in the features, so that it is erased itself."""
    image, tags = batch
    drawn = torch.tensor([0, 2, 2])
    terms = two_levels.losses(image, tags, drawn_class=drawn)
    last = torch.nn.Sequential(*two_levels.backbone.levels)(image)
    maps = two_levels.last_generator(two_levels.last_normalizer(last)).sigmoid()
    evidence = two_levels.classifier(last)
    areas, shares, guidance = [], [], []
    for one, of, label in zip(maps, evidence, drawn, strict=True):
        whole, rest = of[label].mean().relu(), (of[label] * (1 - one[label])).mean().relu()
        areas.append(one[label].mean())
        shares.append(torch.tensor(1.0) if rest > whole else rest / (whole + 1e-8))
        guidance.append((of * one[label]).mean(dim=(1, 2)))
    torch.testing.assert_close(terms["last_area"], torch.stack(areas).mean())
    torch.testing.assert_close(terms["last_background_suppression"], torch.stack(shares).mean())
    expected = F.cross_entropy(torch.stack(guidance), drawn)
    torch.testing.assert_close(terms["last_foreground_guidance"], expected)
    both = torch.stack([terms["area"], terms["last_area"]])
    torch.testing.assert_close(terms["image_area"].mean(dim=1), both.detach())
    torch.testing.assert_close(terms["image_background"][1], torch.stack(shares).detach())


def test_terms_of_both_levels_have_the_same_weights(two_levels, batch):
    image, tags = batch[0][:1], batch[1][:1]
    terms = two_levels.losses(image, tags)
    expected = terms["classification"]
    for level in ("", "last_"):
        expected = expected + 0.2 * terms[f"{level}foreground_guidance"] + 1.2 * terms[f"{level}area"]
        expected = expected + terms[f"{level}background_suppression"]
    summed = two_levels.training_losses({"image": image, "tags": tags}, step=0)
    torch.testing.assert_close(summed["loss"], expected)


def test_maps_of_two_levels_are_their_mean(two_levels, batch):
    image = batch[0]
    features = two_levels.extract(image)
    last = torch.nn.Sequential(*two_levels.backbone.levels)(image)
    expected = two_levels.generator(two_levels.normalizer(features)).sigmoid()
    expected = (expected + two_levels.last_generator(two_levels.last_normalizer(last)).sigmoid()) / 2
    torch.testing.assert_close(two_levels.maps(image), expected)
    maps, cam = two_levels.maps_and_cam(image)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(cam, two_levels.classifier(last).relu())


def test_two_levels_on_other_grids_have_maps_at_the_cut(batch):
    network = BASNet("resnet18", 3, two_levels=True, cut=2)
    network.training_losses({"image": batch[0], "tags": batch[1]}, step=0)["loss"].backward()
    assert network.last_generator.weight.grad.abs().max() > 0
    assert network.seed_maps(batch[0]).shape == (3, 3, 8, 8)


def test_maps_do_not_run_the_tail(network, batch):
    network.backbone.levels[4].register_forward_hook(lambda *_: pytest.fail("the tail was run"))
    maps = network.eval().maps(batch[0])
    assert maps.shape == (3, 3, 4, 4)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_fixed_batch_norm_survives_train(batch):
    network = BASNet("resnet18", 3, batch_norm="fixed").train()
    before = running_statistics(network)
    network.losses(*batch)
    after = running_statistics(network)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_common_mean_of_the_features_opens_no_map_once_they_are_normalized():
    network = BASNet("resnet18", 3, normalize_features=True).train()
    features = torch.rand(8, 256, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.generator.weight.fill_(1.0)  # all in the direction of the mean
        inside = (..., slice(1, -1), slice(1, -1))
        assert network.generator(features)[inside].min() > 0
        opened = network.generator(network.normalizer(features))[inside] > 0
        shifted = network.generator(network.normalizer(3 * features + 5))[inside] > 0
    assert 0.3 < opened.float().mean() < 0.7
    assert torch.equal(opened, shifted)


def test_normalized_features_keep_learning_their_statistics_with_fixed_batch_norm(batch):
    network = BASNet("resnet18", 3, normalize_features=True, batch_norm="fixed").train()
    before = network.normalizer.running_mean.clone()
    network.losses(*batch)
    assert not torch.equal(network.normalizer.running_mean, before)


def test_refuses_images_without_tags(network, batch):
    with pytest.raises(ValueError, match="at least one tag per image"):
        network.losses(batch[0], torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"expected tags \(3, 3\), got \(3, 4\)"):
        network.losses(batch[0], torch.ones(3, 4))


def test_refuses_a_cut_out_of_range():
    with pytest.raises(ConfigError, match="expected cut 1 to 4, got 0"):
        BASNet("resnet18", 3, cut=0)
    with pytest.raises(ConfigError, match=r"cut 1 to 3 with model\.two_levels=True, got 4"):
        BASNet("resnet18", 3, cut=4, two_levels=True)


def test_reference_weights_with_unknown_entries_are_refused():
    with pytest.raises(ConfigError, match=r"unknown \['head.weight'\]"):
        BASNet("resnet18", 3).load_reference({"head.weight": torch.zeros(1)})


def test_cam_trains_only_the_later_levels(batch):
    network = CAMNet("resnet18", 3).train()
    image, tags = batch
    loss = network.training_losses({"image": image, "tags": tags.float()}, step=0)["loss"]
    logit = network(image).mean(dim=(2, 3))
    torch.testing.assert_close(loss, F.multilabel_soft_margin_loss(logit, tags.float()))
    loss.backward()
    for index, level in enumerate(network.backbone.levels):
        trained = any(parameter.grad is not None for parameter in level.parameters())
        assert trained == (index >= 3), index


def test_cam_maps_are_the_positive_class_map(batch):
    network = CAMNet("resnet18", 3).eval()
    torch.testing.assert_close(network.seed_maps(batch[0]), network(batch[0]).clamp(min=0))
