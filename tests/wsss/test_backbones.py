"""Cut backbones against the whole networks that they come from."""

import copy
import functools
import math
import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from wsss.backbones import (
    BUILT_IN,
    OUTPUT_STRIDES,
    Cut,
    build_backbone,
    freeze_batch_norm,
    weights_sha256,
)
from wsss.errors import ConfigError

IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "vgg16"])
def test_levels_in_turn_are_torchvisions_network(name):
    from torchvision import models

    network = models.get_model(name, weights=None).eval()
    backbone = build_backbone(name, output_stride=32).eval()
    known, rest = backbone.rename_library_keys(network.state_dict())
    backbone.load_state_dict(known)
    assert all(key.startswith(("fc.", "classifier.")) for key in rest)
    whole = nn.Sequential(*list(network.children())[:-2]) if "resnet" in name else network.features
    torch.testing.assert_close(backbone(IMAGE)[-1], whole(IMAGE))


def test_levels_in_turn_are_timms_network():
    timm = pytest.importorskip("timm")
    network = timm.create_model("mobilenetv1_100", pretrained=False, num_classes=0).eval()
    backbone = build_backbone("mobilenetv1_100", output_stride=32).eval()
    known, _ = backbone.rename_library_keys(network.state_dict())
    backbone.load_state_dict(known)
    torch.testing.assert_close(backbone(IMAGE)[-1], network.forward_features(IMAGE))


@pytest.fixture(scope="module")
def inception():
    """Torchvision's Inception with random weights that keep the size of the signal."""
    from torchvision import models

    network = models.inception_v3(init_weights=False, transform_input=True)
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()


def features_of(network, layer, image):
    """What a layer of a network gives for an image."""
    found = []
    handle = layer.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        network(image)
    handle.remove()
    return found[0]


def load_library(backbone, network):
    known, rest = backbone.rename_library_keys(network.state_dict())
    backbone.load_state_dict(known)
    return backbone.eval(), rest


def test_inception_is_torchvisions_on_the_padded_grid(inception, monkeypatch):
    """The whole of it, with torchvision's own layers padded."""
    from torchvision.models import inception as library

    backbone, rest = load_library(build_backbone("inception_v3", output_stride=32), inception)
    assert all(key.startswith(("fc.", "AuxLogits.")) for key in rest)
    padded = copy.deepcopy(inception)
    strided = (
        "Mixed_6a.branch3x3",
        "Mixed_6a.branch3x3dbl_3",
        "Mixed_7a.branch3x3_2",
        "Mixed_7a.branch7x7x3_4",
    )
    for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3", *strided):
        padded.get_submodule(name).conv.padding = (1, 1)
    padded.maxpool1.padding = padded.maxpool2.padding = 1
    pool = functools.partial(F.max_pool2d, padding=1)
    functions = types.SimpleNamespace(relu=F.relu, avg_pool2d=F.avg_pool2d, max_pool2d=pool)
    monkeypatch.setattr(library, "F", functions)
    expected = features_of(padded, padded.Mixed_7c, IMAGE)
    assert expected.abs().mean() > 0.01
    torch.testing.assert_close(backbone(IMAGE)[-1], expected)


def test_inception_is_torchvisions_away_from_the_borders(inception):
    """Nothing changed: cell j of Mixed_5d has its centre at pixel 8 j + 13 there, and at 8 j here."""
    backbone, _ = load_library(build_backbone("inception_v3", output_stride=32), inception)
    image = torch.randn(1, 3, 203, 203, generator=torch.Generator().manual_seed(0))
    expected = features_of(inception, inception.Mixed_5d, image)
    with torch.no_grad():
        got = backbone(image[:, :, 13:, 13:])[2]
    assert expected.shape[2:] == (23, 23)
    # The stem sees two cells around, each of the three blocks two more.
    inside = (..., slice(8, 15), slice(8, 15))
    torch.testing.assert_close(got[inside], expected[inside])


@pytest.mark.parametrize("output_stride", OUTPUT_STRIDES)
@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"resnet34", "resnet101"}))
def test_grid_of_any_size(name, output_stride):
    if (name, output_stride) == ("plain8", 32):
        with pytest.raises(ConfigError, match=r"expected output_stride 16 or less for plain8, .* got 32"):
            build_backbone(name, output_stride=output_stride)
        return
    backbone = build_backbone(name, output_stride=output_stride).eval()
    assert backbone.strides[-1] == output_stride
    for size in ((1, 1), (33, 47), (41, 50), (63, 65)):
        with torch.no_grad():
            features = backbone(torch.zeros(1, 3, *size))
        for feature, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
            assert feature.shape == (1, channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))


def declare(monkeypatch, levels, channels, strides):
    """A network of somebody else's under the name ``own``."""
    cut = Cut(nn.Sequential(*levels), levels, channels, strides)
    monkeypatch.setitem(BUILT_IN, "own", lambda imagenet: cut)


def level(*layers):
    return nn.Sequential(*(nn.Conv2d(inputs, outputs, side, side) for inputs, outputs, side in layers))


def test_a_stride_that_cannot_be_taken_away_in_part_is_refused(monkeypatch):
    """Patches of 16 pixels would lose all of their stride: the map would be as large as the image."""
    levels = [level((3, 4, 16)), *(level((4, 4, 1)) for _ in range(4))]
    declare(monkeypatch, levels, (4,) * 5, (16,) * 5)
    with pytest.raises(
        ConfigError, match=r"with a stride of 8 for output_stride=8, got a Conv2d of stride 16"
    ):
        build_backbone("own", output_stride=8)
    assert build_backbone("own", output_stride=16).strides == (16,) * 5


def test_levels_that_are_not_as_declared_are_refused(monkeypatch):
    levels = [level((3, 4, 4)), level((4, 4, 1)), level((4, 4, 2)), level((4, 4, 2)), level((4, 4, 1))]
    declare(monkeypatch, levels, (4,) * 5, (4, 4, 8, 16, 32))
    with pytest.raises(
        ConfigError, match=r"expected levels of own at strides \(4, 4, 8, 16, 32\), .* 16, 16\)"
    ):
        build_backbone("own", output_stride=32)


@pytest.mark.parametrize(
    ("name", "weights"), [("vgg16", "VGG16_Weights"), ("inception_v3", "Inception_V3_Weights")]
)
def test_imagenet_weights_are_torchvisions(name, weights, monkeypatch):
    """Without a download: its own random weights stand in for the file."""
    from torchvision import models

    library = models.get_model(name, weights=None, init_weights=False)
    asked = []

    def stand_in(enum, *_, **__):
        asked.append(enum)
        return library.state_dict()

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", stand_in)
    backbone = build_backbone(name, pretrained="imagenet")
    assert asked == [getattr(models, weights).IMAGENET1K_V1]
    known, _ = backbone.rename_library_keys(library.state_dict())
    ours = backbone.state_dict()
    assert known.keys() == ours.keys()
    assert all(torch.equal(value, ours[key]) for key, value in known.items())


def test_dilated_inception_keeps_its_field_of_view(inception):
    """On every second pixel of every second row an undilated network sees the same neighbours."""
    plain, _ = load_library(build_backbone("inception_v3", output_stride=16), inception)
    dilated, _ = load_library(build_backbone("inception_v3", output_stride=8, dilate=True), inception)
    features = torch.randn(1, 288, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # What the reduction's pool gives apart: without its stride it looks at the nearest pixels.
        expected, got = plain.levels[3][0](features), dilated.levels[3][0](features)[..., ::2, ::2]
        torch.testing.assert_close(got, expected)
        block, wide = plain.levels[3][1], dilated.levels[3][1]
        spread = torch.zeros(1, 768, 16, 24)
        spread[..., ::2, ::2] = torch.randn(1, 768, 8, 12, generator=torch.Generator().manual_seed(1))
        expected = block.branch7x7_3(block.branch7x7_2(block.branch7x7_1(spread[..., ::2, ::2])))
        got = wide.branch7x7_3(wide.branch7x7_2(wide.branch7x7_1(spread)))[..., ::2, ::2]
        torch.testing.assert_close(got, expected)


def test_dilation_equals_torchvisions():
    from torchvision import models

    network = models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    backbone = build_backbone("resnet50", output_stride=8, dilate=True).eval()
    backbone.load_state_dict(backbone.rename_library_keys(network.state_dict())[0])
    whole = nn.Sequential(*list(network.children())[:-2])
    torch.testing.assert_close(backbone(IMAGE)[-1], whole(IMAGE))


@pytest.mark.parametrize(
    ("name", "output_stride", "channels", "strides"),
    [
        ("resnet50", 16, (64, 256, 512, 1024, 2048), (4, 4, 8, 16, 16)),
        ("mobilenet_v2", 16, (16, 24, 32, 96, 1280), (2, 4, 8, 16, 16)),
        ("mobilenetv1_100", 16, (64, 128, 256, 512, 1024), (2, 4, 8, 16, 16)),
        ("mobilenetv1_100", 8, (64, 128, 256, 512, 1024), (2, 4, 8, 8, 8)),
        ("vgg16", 8, (64, 128, 256, 512, 512), (2, 4, 8, 8, 8)),
        ("inception_v3", 8, (64, 192, 288, 768, 2048), (2, 4, 8, 8, 8)),
        ("plain8", 16, (32, 64, 96, 128, 128), (4, 4, 8, 16, 16)),
    ],
)
def test_plan(name, output_stride, channels, strides):
    backbone = build_backbone(name, output_stride=output_stride)
    assert (backbone.channels, backbone.strides) == (channels, strides)


def test_saved_backbone_is_loaded_back(tmp_path):
    first = build_backbone("plain8")
    torch.save(first.state_dict(), tmp_path / "backbone.pth")
    second = build_backbone("plain8", pretrained=tmp_path / "backbone.pth")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert len(weights_sha256(tmp_path / "backbone.pth")) == 64


def test_wrong_weights_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"backbone out of .*, got 'resnet19': did you mean 'resnet18'\?"):
        build_backbone("resnet19")
    with pytest.raises(ConfigError, match="expected output_stride 8, 16 or 32, got 4"):
        build_backbone("plain8", output_stride=4)
    with pytest.raises(ConfigError, match="found no file"):
        build_backbone("plain8", pretrained=tmp_path / "none.pth")
    torch.save({"other.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="entries are missing"):
        build_backbone("plain8", pretrained=tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ConfigError, match=r"expected a PyTorch state dict in .*text.pth"):
        build_backbone("plain8", pretrained=tmp_path / "text.pth")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("resnet18", r"\d+ entries are missing \(first: levels\.1\.0\.conv3\.weight\)"),
        ("resnet101", r"\d+ of its entries have no place there \(first: layer3\.6\.conv1\.weight\)"),
        (
            "wide_resnet50_2",
            r"have other shapes \(first: .*conv1\.weight is \(128, 64, 1, 1\), expected \(64, 64",
        ),
    ],
)
def test_weights_of_another_network_are_refused_in_one_line(source, message, tmp_path):
    from torchvision import models

    with torch.device("meta"):
        shapes = models.get_model(source, weights=None).state_dict()
    torch.save({key: torch.zeros(value.shape) for key, value in shapes.items()}, tmp_path / "other.pth")
    with pytest.raises(
        ConfigError, match=f"expected weights of resnet50 in .*other.pth, but .*{message}"
    ) as caught:
        build_backbone("resnet50", pretrained=tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def test_a_deeper_network_saved_by_us_is_refused(tmp_path):
    torch.save(build_backbone("resnet34").state_dict(), tmp_path / "ours.pth")
    with pytest.raises(ConfigError, match=r"have no place there \(first: levels\.1\.2\.conv1\.weight\)"):
        build_backbone("resnet18", pretrained=tmp_path / "ours.pth")


def test_frozen_batch_norm_keeps_its_statistics():
    backbone = build_backbone("plain8").train()
    freeze_batch_norm(backbone)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(IMAGE)[-1].sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert all(p.grad is None for n, p in backbone.named_parameters() if p.ndim == 1)


def test_affine_parameters_of_batch_norm_may_go_on_learning():
    backbone = build_backbone("plain8").train()
    freeze_batch_norm(backbone, affine=False)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(IMAGE)[-1].sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert all(p.grad is not None for p in backbone.parameters())
