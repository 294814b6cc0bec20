"""B-CAM: its terms by hand, its gradient maps against autograd, what is trained, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seeds.infer import multi_scale_maps
from seeds.methods.bcam import (
    PUBLISHED,
    THRESHOLD_FREE,
    BCAMNet,
    TermWeights,
    threshold_free_mask,
)
from wsss.errors import ConfigError

LAYOUTS = ("voc", "cub")
RULES = ("cam", "difference", "gradient", "gradient_difference")
HEADS = ("object_classifier", "background_classifier", "object_aggregator", "background_aggregator")


def build(layout="voc", backbone="plain8", **options):
    """A small network whose attention is not uniform and whose biases are not 0."""
    torch.manual_seed(0)
    network = BCAMNet(4, layout=layout, heads=5, backbone=backbone, **options)
    network.eval()
    with torch.no_grad():
        pixels = network.backbone(torch.randn(1, 3, 64, 64))[-1]
        for aggregator in (network.object_aggregator, network.background_aggregator):
            torch.nn.init.normal_(aggregator.weight)
            aggregator.weight /= aggregator(pixels).flatten(2).std(dim=2).mean()
    if layout == "cub":
        for classifier in (network.object_classifier, network.background_classifier):
            torch.nn.init.normal_(classifier.bias)
    return network


@pytest.fixture
def image():
    return torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def label():
    return torch.tensor([3, 1])


@pytest.fixture
def tags(label):
    return F.one_hot(label, 4).float()


def autograd_maps(network, image, label, *, pooled, one_sign=False, classifiers=("object", "background")):
    """Second implementation, after the authors' rule: pool, judge, differentiate, image by image."""
    maps = []
    for one, index in zip(network.backbone(image)[-1].detach(), label.tolist(), strict=True):
        pixels = one.clone().requires_grad_()
        weight = getattr(network, f"{pooled}_aggregator").weight[:, :, 0, 0]
        attention = torch.einsum("mn,nhw->mhw", weight, pixels)
        attention = attention.exp() / attention.exp().sum(dim=(1, 2), keepdim=True)
        score = 0
        for sign, name in zip((1, -1), classifiers, strict=False):
            seen = pixels.detach() if network.layout == "cub" and name == "background" else pixels
            feature = torch.stack(
                [(one_attention * seen).sum(dim=(1, 2)) for one_attention in attention]
            ).mean(0)
            classifier = getattr(network, f"{name}_classifier")
            score = score + sign * (classifier.weight[index, :, 0, 0] @ feature)
        (gradient,) = torch.autograd.grad(score, pixels)
        mean = gradient.mean(dim=(1, 2), keepdim=True)
        mean = mean.relu() if one_sign else mean
        maps.append((gradient * mean).sum(dim=0))
    return torch.stack(maps)


@pytest.mark.parametrize("one_sign", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backbone", ["plain8", "resnet18", "mobilenetv1_100"])
def test_gradient_maps_equal_autograd(layout, backbone, one_sign, image, label):
    network = build(layout, backbone)
    expected = (
        autograd_maps(network, image, label, pooled="object", one_sign=one_sign),
        autograd_maps(
            network,
            image,
            label,
            pooled="background",
            one_sign=one_sign,
            classifiers=("background", "object"),
        ),
    )
    assert expected[0].std() > 0.05 * expected[0].abs().max()  # not constant: the attention does something
    for ours, theirs in zip(network.gradient_maps(image, label, one_sign=one_sign), expected, strict=True):
        # float32, relative to the largest value
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_maps_equal_autograd_in_double_precision(layout, image, label):
    network, image = build(layout).double(), image.double()
    ours, _ = network.gradient_maps(image, label)
    theirs = autograd_maps(network, image, label, pooled="object")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * theirs.abs().max().item())


def test_gradient_maps_need_no_gradient_and_one_pass_of_the_backbone(image, label):
    network = build("cub")
    passes = []
    network.backbone.register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        network.gradient_maps(image, label)
    assert len(passes) == 1


def test_gradient_maps_of_all_classes_at_once(image):
    network = build("cub")
    maps = network.maps(image, rule="gradient")
    background = maps - network.signed_maps(image, rule="gradient_difference") * maps.mean(
        dim=(2, 3), keepdim=True
    )
    for index in range(4):
        one, rest = network.gradient_maps(image, torch.tensor([index, index]))
        torch.testing.assert_close(maps[:, index], one)
        torch.testing.assert_close(background[:, index], rest)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_object_and_background_map_have_the_same_mean(layout, image, label):
    network = build(layout).double()
    object_map, background_map = network.gradient_maps(image.double(), label)
    direction = network.object_classifier.weight
    if layout == "voc":
        direction = direction - network.background_classifier.weight
    pixels = object_map[0].numel()
    expected = direction[label].square().sum(dim=(1, 2, 3)) / pixels**2
    torch.testing.assert_close(object_map.mean(dim=(1, 2)), expected)
    torch.testing.assert_close(background_map.mean(dim=(1, 2)), expected)
    mask = threshold_free_mask(object_map, background_map)
    assert mask.any()
    assert not mask.all()


def test_openimages_rule_is_the_class_activation_map_and_an_empty_background(image, label):
    """The score of one classifier alone, weighted with the features: Grad-CAM."""
    network = build("cub").double()
    image = image.double()
    pixels = network.backbone(image)[-1]
    count = pixels[0, 0].numel()
    for pooled, classifier in (("object", "object"), ("background", "background")):
        for index, one in enumerate(label.tolist()):
            features = pixels[index : index + 1].detach().requires_grad_()
            attention = (
                getattr(network, f"{pooled}_aggregator")(features).flatten(2).softmax(dim=2).mean(dim=1)
            )
            seen = features.detach() if classifier == "background" else features
            feature = (seen.flatten(2) * attention[:, None]).sum(dim=2)
            score = getattr(network, f"{classifier}_classifier").weight[one, :, 0, 0] @ feature[0]
            (gradient,) = torch.autograd.grad(score, features)
            theirs = (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1)[0]
            if classifier == "background":
                assert theirs.abs().max() < 1e-12
            else:
                bias = network.object_classifier.bias[one]
                cam = network.signed_maps(image, rule="cam")[index, one] - bias
                torch.testing.assert_close(theirs, cam / count)


def test_terms_by_hand():
    """Features of 1 everywhere: every attention pools 1, and the logits are the sums of the weights."""
    network = BCAMNet(2, heads=3, backbone="plain8", weights=TermWeights(1.0, 2.0, 3.0, 4.0))
    network.backbone.levels = torch.nn.ModuleList([torch.nn.Identity()])
    for name, values in (("object", (1.0, -2.0)), ("background", (0.5, 3.0))):
        weight = torch.tensor(values).view(2, 1, 1, 1).expand(2, 3, 1, 1) / 3
        setattr(network, f"{name}_classifier", torch.nn.Conv2d(3, 2, 1, bias=False))
        getattr(network, f"{name}_classifier").weight.data = weight.clone()
        setattr(network, f"{name}_aggregator", torch.nn.Conv2d(3, 3, 1, bias=False))
    terms = network.losses(torch.ones(1, 3, 4, 4), torch.tensor([[1, 0]]))

    def soft_margin(logits, targets):
        chances = [1 / (1 + np.exp(-logit)) for logit in logits]
        return -np.mean([np.log(p if t else 1 - p) for p, t in zip(chances, targets, strict=True)])

    expected = {
        "object_object": soft_margin((1.0, -2.0), (1, 0)),
        "background_object": soft_margin((0.5, 3.0), (0, 1)),
        "background_background": soft_margin((0.5, 3.0), (1, 1)),
        "object_background": soft_margin((1.0, -2.0), (0, 0)),
    }
    expected["total"] = sum(
        weight * value for weight, value in zip((1, 2, 3, 4), expected.values(), strict=True)
    )
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)
    network.layout = "cub"
    first = network.losses(torch.ones(1, 3, 4, 4), torch.tensor([[1, 0]]))["object_object"]
    assert first.item() == pytest.approx(np.log(1 + np.exp(-3.0)), rel=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_background_classifier_trains_pixels_through_the_attention_alone_on_cub(layout, image, tags):
    network = build(layout, frozen_levels=0)
    last = next(network.backbone.levels[-1].parameters())
    for uniform in (False, True):
        if uniform:  # attention that no pixel can change
            for aggregator in (network.object_aggregator, network.background_aggregator):
                torch.nn.init.zeros_(aggregator.weight)
        network.zero_grad(set_to_none=True)
        terms = network.losses(image, tags)
        (terms["background_object"] + terms["background_background"]).backward()
        reaches_pixels = bool(last.grad.any())
        assert reaches_pixels == (layout == "voc" or not uniform)
        assert network.object_aggregator.weight.grad.any()
        assert network.background_aggregator.weight.grad.any()
        assert network.object_classifier.weight.grad is None


def test_cub_starts_as_global_average_pooling(image, label):
    network = BCAMNet(4, layout="cub", backbone="plain8").eval()
    pixels = network.backbone(image)[-1]
    expected = network.object_classifier(pixels.mean(dim=(2, 3), keepdim=True))[:, :, 0, 0]
    torch.testing.assert_close(network(image), expected)
    torch.testing.assert_close(network.all_logits(image)["object_background"], expected)
    # object and background are one: their maps are equal, and nothing is above the other
    assert not threshold_free_mask(*network.gradient_maps(image, label)).any()


def test_voc_trains_the_later_levels_and_keeps_batch_norm(image, tags):
    network = BCAMNet(4, backbone="resnet18").train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    network.training_losses({"image": image, "tags": tags}, step=0)["loss"].backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    for index, level in enumerate(network.backbone.levels):
        trained = {name for name, parameter in level.named_parameters() if parameter.grad is not None}
        assert bool(trained) == (index >= 3), index
        # IRN, which the authors' code is a fork of, trains batch norm's weights on fixed statistics
        assert any("bn" in name for name in trained) == (index >= 3), index
    assert network.backbone.strides[-1] == 16


def test_cub_trains_everything_at_stride_8(image, tags):
    network = BCAMNet(4, layout="cub", backbone="resnet18").train()
    network.training_losses({"image": image, "tags": tags}, step=0)["loss"].backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.backbone.strides[-1] == 8
    assert network.maps(image).shape == (2, 4, 8, 6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_few_steps_lower_the_loss(layout, image, tags):
    network = build(layout, frozen_levels=0, batch_norm="train").train()
    optimizer = torch.optim.SGD(network.parameter_groups(0.01), momentum=0.9)
    totals = []
    for step in range(15):
        terms = network.training_losses({"image": image, "tags": tags}, step=step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        totals.append(terms["loss"].item())
    assert set(terms) == {"loss", *(field.name for field in dataclasses.fields(TermWeights))}
    assert not any(terms[name].requires_grad for name in terms if name != "loss")
    assert totals[-1] < 0.7 * totals[0]


def test_maps_of_the_classifiers(image):
    network = build("cub")
    pixels = network.backbone(image)[-1]
    first, second = network.object_classifier(pixels), network.background_classifier(pixels)
    torch.testing.assert_close(network.maps(image), first.clamp(min=0))
    torch.testing.assert_close(network.maps(image, rule="difference"), (first - second).clamp(min=0))
    torch.testing.assert_close(network.signed_maps(image, rule="difference"), first - second)
    assert torch.equal(network.maps(image, rule="difference") > 0, threshold_free_mask(first, second))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_maps_above_zero_are_the_mask_of_the_gradient(layout, image, label):
    network = build(layout, rule="gradient_difference")
    mask = threshold_free_mask(*network.gradient_maps(image, label))
    for maps in (network.seed_maps(image), network.maps(image, rule="gradient_difference")):
        differing = (maps[[0, 1], label] > 0) != mask
        assert differing.sum() <= 1  # one class and all classes at once may round a tie to two sides
    assert "gradient_difference" in THRESHOLD_FREE


@pytest.mark.parametrize("rule", RULES)
def test_seed_maps_are_positive_and_go_through_scales(rule, image):
    network = build(rule=rule)
    maps = network.seed_maps(image)
    assert maps.shape == (2, 4, 4, 3)
    assert maps.min() >= 0
    assert maps.max() > 0
    signed = network.signed_maps(image)
    # The gradient's maps are stretched by the authors: between scales only their differences count.
    lowest = signed.amin(dim=(2, 3), keepdim=True)
    assert torch.equal(maps, signed - lowest if rule == "gradient" else signed.relu())
    summed = multi_scale_maps(network, image[:1], scales=(1, 1.5), flip=True, channels=[0, 2])
    assert summed.shape == (2, 16, 12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_seed_maps_of_the_gradient_do_not_fall_with_the_resolution(layout, image):
    network = build(layout, rule="gradient")
    for size in (64, 128):
        scaled = F.interpolate(image, (size, size))
        mean = network.signed_maps(scaled).mean(dim=(2, 3))
        torch.testing.assert_close(mean, torch.ones_like(mean), rtol=1e-4, atol=0)
        raw, signed = network.maps(scaled, rule="gradient"), network.signed_maps(scaled)
        torch.testing.assert_close(
            raw / raw.amax(dim=(2, 3), keepdim=True), signed / signed.amax(dim=(2, 3), keepdim=True)
        )


def test_a_class_without_weights_has_maps_of_zero(image):
    network = build("cub", rule="gradient")
    torch.nn.init.zeros_(network.object_classifier.weight)
    assert torch.equal(network.seed_maps(image), torch.zeros(2, 4, 8, 6))


def test_gradient_maps_keep_full_precision_under_autocast(image, label):
    network = build("cub")
    pixels = network.backbone(image)[-1]
    network.backbone.forward = lambda _: [pixels.bfloat16()]
    expected = network.gradient_maps(image, label)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.gradient_maps(image, label)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs)


def test_mask_by_hand_and_at_the_size_of_the_image():
    first = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    second = torch.tensor([[1.0, 1.0], [4.0, 3.0]])
    assert threshold_free_mask(first, second).tolist() == [[False, True], [False, True]]
    # bilinear between the centres of two pixels: +1 and -3 cross 0 at a quarter of the way
    mask = threshold_free_mask(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 3.0]]]), size=(1, 8))
    assert mask.shape == (1, 1, 8)
    assert mask[0, 0].tolist() == [True, True, True, False, False, False, False, False]


@pytest.mark.parametrize(("layout", "fast_levels"), [("voc", ()), ("cub", (4,))])
def test_parameter_groups(layout, fast_levels):
    network = BCAMNet(4, layout=layout, backbone="resnet18")
    slow, fast = network.parameter_groups(0.01)
    assert slow["lr"] == 0.01
    assert fast["lr"] == pytest.approx(0.1)
    fast_modules = [*network.heads(), *(network.backbone.levels[index] for index in fast_levels)]
    expected = {id(parameter) for module in fast_modules for parameter in module.parameters()}
    assert {id(parameter) for parameter in fast["params"]} == expected
    trained = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    assert {id(parameter) for parameter in slow["params"]} == trained - expected
    assert len(slow["params"]) + len(fast["params"]) == len(trained)


def test_published_rates():
    cub, voc = PUBLISHED["cub_resnet50"], PUBLISHED["voc_code"]
    # /10 every 15 epochs, asked for the next epoch: the 15th (index 14) is the first with the lower rate
    assert [cub.rate_factor(epoch) for epoch in (0, 13, 13.9, 14, 19)] == pytest.approx([1, 1, 1, 0.1, 0.1])
    assert [voc.rate_factor(epoch) for epoch in (0, 2.5, 5)] == pytest.approx([1, 0.5**0.9, 0])
    assert PUBLISHED["cub_vgg16"].weights == TermWeights(1.0, 0.4, 0.4, 0.2)
    with pytest.raises(ValueError, match=r"expected an epoch in \[0, 20\], got 21"):
        cub.rate_factor(21)
    with pytest.raises(ValueError, match="none was published"):
        PUBLISHED["ilsvrc"].rate_factor(1)


def test_published_recipes_build_our_network():
    for name in ("cub_resnet50", "voc_code"):
        recipe = PUBLISHED[name]
        network = BCAMNet(
            3, layout=recipe.layout, heads=recipe.heads, backbone=recipe.backbone, weights=recipe.weights
        )
        groups = network.parameter_groups(recipe.learning_rate, factor=recipe.new_layer_factor)
        assert [group["lr"] for group in groups] == pytest.approx(
            [recipe.learning_rate, 10 * recipe.learning_rate]
        )


def test_refuses_wrong_settings_and_inputs(image, label):
    with pytest.raises(ConfigError, match="expected layout one of 'voc', 'cub', got 'coco'"):
        BCAMNet(4, layout="coco")
    with pytest.raises(ConfigError, match="'gradient_difference', got 'grad'"):
        build().maps(image, rule="grad")
    with pytest.raises(ConfigError, match="correct 'rule'"):
        BCAMNet(4, rule="prob")
    with pytest.raises(ValueError, match=r"expected tags \(2, 4\), got \(2, 3\)"):
        build().losses(image, torch.ones(2, 3))
    with pytest.raises(ValueError, match="exactly one tag per image"):
        build("cub").losses(image, torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"a label for each of 2 images, got \(3,\)"):
        build().gradient_maps(image, torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"two maps of one shape \(..., h, w\), got \(2, 2\) and \(1, 2\)"):
        threshold_free_mask(torch.zeros(2, 2), torch.zeros(1, 2))


def test_refuses_reference_weights_that_do_not_fit():
    network = BCAMNet(4, backbone="resnet18")
    names = dict(zip(HEADS, ("fc8_fore", "fc8_back", "fc_attp_fore", "fc_attp_back"), strict=True))
    ours = {
        f"{theirs}.weight": torch.ones_like(getattr(network, name).weight) for name, theirs in names.items()
    }
    before = network.object_classifier.weight.clone()
    with pytest.raises(ConfigError, match=r"layout 'voc' for resnet18, missing \['backbone"):
        network.load_reference(ours)
    with pytest.raises(ConfigError, match=r"unknown \['classifier_A.weight'\]"):
        network.load_reference({"classifier_A.weight": torch.zeros(4, 512, 1, 1)})
    with pytest.raises(ConfigError, match=r"of another shape \['object_aggregator.weight'\]"):
        network.load_reference(ours | {"fc_attp_fore.weight": torch.zeros(7, 512, 1, 1)})
    assert torch.equal(network.object_classifier.weight, before)
