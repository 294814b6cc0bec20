"""LocalizationBAS: what gets gradients, what keeps its state, what the versions change, what is refused."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seeds.localization_backbones import LocalizationBackbone
from seeds.methods import bas_localization
from seeds.methods.bas_localization import VERSIONS, LocalizationBAS, suppressed_share
from wsss.errors import ConfigError


def small_backbone(name, *, pretrained=None):
    """Two convolutions with batch norm at stride 8 and one that halves the grid, in place of a real one."""

    def layer(inputs, outputs, stride):
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

    assert pretrained is None
    return LocalizationBackbone(name, [layer(3, 8, 4), layer(8, 12, 2)], [layer(12, 16, 2)], (12, 16))


@pytest.fixture
def build(monkeypatch):
    monkeypatch.setattr(bas_localization, "build_localization_backbone", small_backbone)

    def network(backbone="resnet50", **options):
        torch.manual_seed(0)
        return LocalizationBAS(backbone, 5, **({"alpha": 0.5, "beta": 1.5, "hidden": 6} | options))

    return network


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 32, 48, generator=generator), torch.tensor([3, 0, 4, 3])


def running_statistics(network):
    return {k: v.clone() for k, v in network.state_dict().items() if "running" in k or "num_batches" in k}


def test_shapes_and_total(build, batch):
    network = build().train()
    terms = network.losses(*batch)
    assert terms["logit"].shape == terms["guidance_logit"].shape == (4, 5)
    assert terms["background_suppression"].shape == terms["area"].shape == (4,)
    assert terms["map"].shape == (4, 1, 4, 6)
    # The formula once more, from the returned tensors.
    expected = (
        F.cross_entropy(terms["logit"], batch[1])
        + 0.5 * F.cross_entropy(terms["guidance_logit"], batch[1])
        + terms["background_suppression"].mean()
        + 1.5 * terms["map"].mean()
    )
    torch.testing.assert_close(terms["total"], expected)
    step = network.training_losses({"image": batch[0], "tags": F.one_hot(batch[1], 5)}, step=0)
    torch.testing.assert_close(step["loss"], expected)
    assert all(value.shape == () for value in step.values())


def test_guidance_is_the_class_map_times_the_mean_of_two_by_two_cells(build, batch):
    network = build().eval()
    terms = network.losses(*batch)
    features = network.backbone.extractor(batch[0])
    class_map = network.classifier(network.backbone.tail(features))
    expected = (class_map * F.avg_pool2d(terms["map"], 2)).mean(dim=(2, 3))
    torch.testing.assert_close(terms["guidance_logit"], expected)


def test_guidance_trains_the_classifier(build, batch):
    network = build().train()
    network.losses(*batch)["guidance"].backward()
    assert network.classifier[4].weight.grad.abs().max() > 0
    assert network.generator.weight.grad.abs().max() > 0


@pytest.mark.parametrize("version", list(VERSIONS))
def test_background_path_equals_a_deep_copy(build, batch, version):
    """Second implementation: copy tail and classifier, as the authors do, and run the erased features."""
    network = build(version=version).train()
    features = network.backbone.extractor(batch[0])
    foreground = torch.rand(4, 1, 4, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    path = copy.deepcopy(nn.Sequential(network.backbone.tail, network.classifier))
    expected = path(features.detach() * (1 - foreground)).mean(dim=(2, 3))
    ours = network._background_logit(features, foreground)
    torch.testing.assert_close(ours, expected)
    # The map learns from it, and as it would through the copy.
    (gradient,) = torch.autograd.grad(ours[:, 2].sum(), foreground)
    (through_copy,) = torch.autograd.grad(expected[:, 2].sum(), foreground)
    assert gradient.abs().max() > 0
    torch.testing.assert_close(gradient, through_copy)


def test_background_path_drops_gradients_and_keeps_running_statistics(build, batch):
    network = build().train()
    features = network.backbone.extractor(batch[0])
    foreground = network.generator(features)[:, :1].sigmoid()
    before = running_statistics(network)
    network._background_logit(features, foreground).sum().backward()
    for name, value in running_statistics(network).items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)
    trained = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    # Through the map into the generator and the features, never into tail and classifier.
    assert {"generator.weight", "generator.bias", "backbone.extractor.0.0.weight"} <= trained
    assert not [name for name in trained if name.startswith(("backbone.tail", "classifier"))]


def test_background_path_reaches_the_features_through_the_map_alone(build, batch):
    network = build().train()
    features = network.backbone.extractor(batch[0])
    foreground = torch.full((4, 1, 4, 6), 0.5, requires_grad=True)
    logit = network._background_logit(features, foreground)[:, 2].sum()
    to_features, to_map = torch.autograd.grad(logit, (features, foreground), allow_unused=True)
    assert to_features is None
    assert to_map.abs().max() > 0


def test_running_statistics_of_a_step_are_those_of_the_whole_images(build, batch):
    network = build().train()
    alone = copy.deepcopy(network)
    network.losses(*batch)
    alone(batch[0])
    for name, value in running_statistics(network).items():
        torch.testing.assert_close(value, running_statistics(alone)[name], rtol=0, atol=0, msg=name)
    assert int(network.backbone.tail[0][1].num_batches_tracked) == 1


def test_erased_batch_has_its_own_statistics(build, batch):
    """A map of 0.5 everywhere halves the features: batch norm takes that back, running statistics do not."""
    network = build().train()
    with torch.no_grad():
        features = network.backbone.extractor(batch[0])
        half = torch.full((4, 1, 4, 6), 0.5)
        whole = network.classifier(network.backbone.tail(features)).mean(dim=(2, 3))
        # eps of batch norm (1e-5) weighs four times as much against the halved variance
        torch.testing.assert_close(network._background_logit(features, half), whole, rtol=1e-3, atol=1e-4)
        network.eval()
        by_running = network._background_logit(features, half)
    assert (by_running - whole).abs().max() > 1e-3


def test_suppressed_share_by_hand():
    # S, S_bg: 2, 1 -> 1/2; 1, 1 -> a tie; 1, 3 -> background wins; -1, -.5 -> both count as 0: no win, 0;
    # -1, .5 -> wins against 0; 2, -1 -> 0.
    whole = torch.tensor([2.0, 1.0, 1.0, -1.0, -1.0, 2.0], requires_grad=True)
    rest = torch.tensor([1.0, 1.0, 3.0, -0.5, 0.5, -1.0], requires_grad=True)
    share = suppressed_share(whole, rest, constant=1.0)
    assert share.tolist() == pytest.approx([0.5, 1.0, 1.0, 0.0, 1.0, 0.0])
    share.sum().backward()
    assert whole.grad is None
    # d(S_bg / S) = 1 / S where it is a share; none where it is the constant or below 0
    assert rest.grad.tolist() == pytest.approx([0.5, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert suppressed_share(whole, rest, constant=0.0).tolist() == pytest.approx([0.5, 1, 0, 0, 0, 0])
    # 0 = 0 is a tie too, and 1 then in the fourth
    ties = suppressed_share(whole, rest, constant=1.0, replaces_ties=True)
    assert ties.tolist() == pytest.approx([0.5, 1, 1, 1, 1, 0])
    rest.grad = None
    replaced = suppressed_share(whole, rest, constant=0.0, replaces_ties=True)
    assert replaced.tolist() == pytest.approx([0.5, 0, 0, 0, 0, 0])
    replaced.sum().backward()
    assert rest.grad.tolist() == pytest.approx([0.5, 0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"expected two tensors of shape \(B,\)"):
        suppressed_share(whole, rest[:2], constant=0.0)


@pytest.mark.parametrize(
    ("version", "backbone", "constant"),
    [
        ("ijcv", "vgg16", 0.0),
        ("ijcv", "resnet50", 1.0),
        ("ijcv", "mobilenetv1", 1.0),
        ("ijcv", "inception_v3", 1.0),
        ("cvpr22", "resnet50", 0.0),
        ("cvpr22_ilsvrc", "resnet50", 0.0),
    ],
)
def test_constant_where_the_background_wins(build, batch, monkeypatch, version, backbone, constant):
    network = build(backbone, version=version).train()
    monkeypatch.setattr(network, "_background_logit", lambda *_: torch.full((4, 5), 100.0))
    share = network.losses(*batch)["background_suppression"]
    assert share.tolist() == [constant] * 4
    assert not share.requires_grad


def test_final_relu_of_the_versions(build, batch):
    ijcv, cvpr22 = build(version="ijcv").eval(), build(version="cvpr22").eval()
    cvpr22.load_state_dict(ijcv.state_dict())
    for network in (ijcv, cvpr22):
        with torch.no_grad():
            network.classifier[4].bias.fill_(-0.01)
    assert ijcv(batch[0]).min() < 0
    features = ijcv.backbone.extractor(batch[0])
    class_map = ijcv.classifier(ijcv.backbone.tail(features))
    torch.testing.assert_close(cvpr22(batch[0]), class_map.relu().mean(dim=(2, 3)))
    assert [VERSIONS[name].replaces_ties for name in ("ijcv", "cvpr22", "cvpr22_ilsvrc")] == [0, 1, 0]
    assert [VERSIONS[name].epsilon for name in ("ijcv", "cvpr22", "cvpr22_ilsvrc")] == [1e-5, 0, 0]


def test_maps_of_label_and_of_the_best_classes(build, batch):
    image, label = batch
    network = build().train()
    frozen = network.backbone.tail[0][1].eval()
    before = running_statistics(network)
    by_label = network.maps(image, label=label)
    best, of_three = network.maps(image), network.maps(image, top_k=3, label=label)
    assert network.training
    assert not frozen.training
    assert network.backbone.extractor[0][1].training
    for name, value in running_statistics(network).items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)
    network.eval()
    maps, logit = network.seed_maps(image), network(image)
    assert maps.shape == (4, 5, 4, 6)
    rows = torch.arange(4)
    torch.testing.assert_close(by_label, maps[rows, label].unsqueeze(1))
    torch.testing.assert_close(best, maps[rows, logit.argmax(dim=1)].unsqueeze(1))
    order = logit.argsort(dim=1, descending=True)
    three = torch.stack([maps[rows, order[:, rank]] for rank in range(3)]).mean(dim=0)
    torch.testing.assert_close(of_three, three.unsqueeze(1))


def test_map_of_a_label_runs_no_tail(build, batch, monkeypatch):
    network = build()
    monkeypatch.setattr(network, "_class_map", lambda _: pytest.fail("the tail was run"))
    assert network.maps(batch[0], label=batch[1]).shape == (4, 1, 4, 6)


def test_size_that_no_stride_divides(build, batch):
    terms = build().train().losses(batch[0][:, :, :29, :45], batch[1])
    terms["total"].backward()
    assert terms["map"].shape == (4, 1, 4, 6)
    terms = build().train().losses(batch[0][:, :, :21, :40], batch[1])
    assert terms["map"].shape == (4, 1, 3, 5)
    assert terms["total"].isfinite()


def test_half_precision_keeps_losses_in_full(build, batch):
    network = build().train()
    full = network.losses(*batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = network.losses(*batch)
    assert half["background_suppression"].dtype == half["total"].dtype == torch.float32
    # bfloat16 has 8 bits: half a percent per operation
    torch.testing.assert_close(half["area"].float(), full["area"], rtol=0.05, atol=0.02)
    half["total"].backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_parameter_groups_by_name(build):
    network = build()
    groups = network.parameter_groups(learning_rate=0.1)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    by_rate = {round(group["lr"], 9): [names[id(p)] for p in group["params"]] for group in groups}
    assert sorted(by_rate) == [0.1, 0.2, 1.0, 2.0]
    assert by_rate[1.0] == [f"classifier.{index}.weight" for index in (0, 2, 4)] + ["generator.weight"]
    assert by_rate[2.0] == [f"classifier.{index}.bias" for index in (0, 2, 4)] + ["generator.bias"]
    assert by_rate[0.2] == [
        f"backbone.{part}.1.bias" for part in ("extractor.0", "extractor.1", "tail.0")
    ]  # batch norm's
    assert len(by_rate[0.1]) == 6
    assert sum(len(found) for found in by_rate.values()) == len(list(network.parameters()))
    network.backbone.extractor.requires_grad_(False)
    groups = network.parameter_groups(learning_rate=0.1)
    assert sum(len(group["params"]) for group in groups) == 11
    torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


def test_initialization(monkeypatch):
    monkeypatch.setattr(bas_localization, "build_localization_backbone", small_backbone)
    torch.manual_seed(0)
    vgg = LocalizationBAS("vgg16", 50, alpha=0.0, beta=0.9)
    for layer in vgg._new_layers():
        # a deviation from at least 5,400 draws: 1 / sqrt(2n) = 1 %
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        bound = layer.weight[0].numel() ** -0.5
        assert 0 < layer.bias.abs().max() <= bound
    other = LocalizationBAS("mobilenetv1", 50, alpha=0.5, beta=1.9)
    assert len(other._new_layers()) == 4
    for layer in other._new_layers():
        assert (layer.bias == 0).all()
        area = layer.weight[0, 0].numel()
        bound = (6 / (area * sum(layer.weight.shape[:2]))) ** 0.5
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)


def test_refused(build, batch):
    image, label = batch
    with pytest.raises(ConfigError, match=r"expected a version out of ijcv, cvpr22.* got 'eccv'"):
        build(version="eccv")
    network = build()
    with pytest.raises(ValueError, match=r"expected a label \(4,\), got \(3,\)"):
        network.losses(image, label[:3])
    with pytest.raises(ValueError, match=r"expected labels 0 to 4, got \[3, 0, 5, 3\]"):
        network.losses(image, torch.tensor([3, 0, 5, 3]))
    with pytest.raises(ValueError, match="expected labels 0 to 4"):
        network.maps(image, label=label - 1)
    with pytest.raises(ValueError, match="expected top_k 1 to 5, got 6"):
        network.maps(image, top_k=6)
    assert network.training  # back in its mode after an error


def test_load_reference_names_what_does_not_fit(build):
    network = build()
    names = {f"backbone.{key}": key for key in network.backbone.state_dict()}
    network.backbone.learn_names(network.backbone.state_dict(keep_vars=True))
    state = {}
    for key, value in build().state_dict().items():
        key = names.get(key, key)
        key = key.replace("generator.", "classifier_loc.0.")
        state[key if "classifier_loc" in key else key.replace("classifier.", "classifier_cls.")] = value + 1
    network.load_reference(state)
    assert (network.generator.bias == 1).all()
    with pytest.raises(ConfigError, match=r"missing \['generator.bias'\], unknown \[\]"):
        network.load_reference({k: v for k, v in state.items() if k != "classifier_loc.0.bias"})
    with pytest.raises(ConfigError, match=r"missing \[\], unknown \['classifier_loc.1.bias'\]"):
        network.load_reference(state | {"classifier_loc.1.bias": torch.zeros(1)})
    with pytest.raises(ConfigError, match=r"expected generator.bias of shape \(5,\), got \(7,\)"):
        network.load_reference(state | {"classifier_loc.0.bias": torch.zeros(7)})


def test_warm_up_trains_classification_alone(build, batch):
    network = build(warmup_steps=1).train()
    tags = F.one_hot(batch[1], 5)
    first = network.training_losses({"image": batch[0], "tags": tags}, step=0)
    assert set(first) == {"loss", "classification"}
    first["loss"].backward()
    assert network.generator.weight.grad is None
    assert "area" in network.training_losses({"image": batch[0], "tags": tags}, step=1)


def test_a_common_mean_of_the_features_moves_no_map_once_they_are_normalized(build, batch):
    network = build(normalize_features=True).train()
    features = network.backbone.extractor(batch[0])
    raised = features + 3 * torch.rand(1, features.shape[1], 1, 1)
    maps = [network.generator(network.normalizer(one)) for one in (features, raised)]
    torch.testing.assert_close(maps[0], maps[1], atol=1e-4, rtol=1e-3)
    # Every path to a map takes the normalized features.
    network.eval()
    chosen = network.seed_maps(batch[0])[torch.arange(4), batch[1]]
    torch.testing.assert_close(network.maps(batch[0], label=batch[1])[:, 0], chosen)
    torch.testing.assert_close(network.losses(*batch)["map"][:, 0], chosen)
    assert not torch.allclose(
        network.generator(network.backbone.extractor(batch[0])).sigmoid(), network.seed_maps(batch[0])
    )
