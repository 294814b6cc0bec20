"""Networks of timm cut into levels, against timm's own features; all with random weights."""

import math
import types

import pytest
import timm
import torch
from timm.models.swin_transformer import PatchMerging
from torch import nn
from torch.nn import functional as F

from wsss.backbones import build_backbone, freeze_batch_norm, supported_timm_names
from wsss.backbones.timm_levels import Renormalize, spread_pairs
from wsss.backbones.timm_names import CHAINS, WINDOWS, kind_of
from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD

# One small network of each family that people ask for, and the output stride of the whole of it.
NETWORKS = {
    "convnext_atto": 32,
    "convnextv2_atto": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "mobilenetv3_small_100": 32,
    "pvt_v2_b0": 32,
    "regnetx_002": 32,
    "resnet18d": 32,
    "swin_tiny_patch4_window7_224": 32,
    "swinv2_tiny_window8_256": 32,
    "deit_tiny_distilled_patch16_224": 16,
    "vit_tiny_patch16_224": 16,
    "vit_small_patch14_dinov2": 16,
    "vit_tiny_patch16_dinov3_qkvb": 16,
}
SWIN, VIT, DINO = "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224", "vit_small_patch14_dinov2"
# The smallest network of each kind that is cut as a chain, but for those above.
KINDS = {
    "byobnet": "mobileone_s1",
    "cpubone": "cpubone_nano",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "dla": "dla46_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientvit_mit": "efficientvit_b0",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_a",
    "hgnet": "hgnetv2_b0",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "lcnetv2": "lcnetv2_small",
    "lowformer": "lowformer_b0",
    "mambaout": "mambaout_femto",
    "metaformer": "poolformerv2_s12",
    "mobilevit": "mobilevit_xxs",
    "nextvit": "nextvit_small",
    "nfnet": "nf_regnet_b0",
    "rdnet": "rdnet_tiny",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m1",
    "res2net": "res2next50",
    "resnest": "resnest14d",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "senet": "legacy_seresnet18",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tresnet": "tresnet_m",
    "vgg": "vgg11",
    "vovnet": "ese_vovnet19b_slim_dw",
}
IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
BEHIND_THE_FEATURES = ("head", "conv_head", "norm_head", "pre_logits", "in_conv", "pre_classifier")
# Other packages order and fuse their sums in other ways.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def build(name, **options):
    torch.manual_seed(0)
    return build_backbone(
        f"timm:{name}", output_stride=options.pop("output_stride", NETWORKS.get(name, 32)), **options
    )


def timms(name, **options):
    """The whole network as timm builds it."""
    torch.manual_seed(1)
    return timm.create_model(name, num_classes=0, **options).eval()


def load_library(backbone, network):
    """The cut network with the weights of a whole one, and what has no place in it."""
    known, rest = backbone.rename_library_keys(network.state_dict())
    backbone.load_state_dict(known)
    return backbone.eval(), rest


def as_its_weights_expect(network, image):
    """An image normalized with ImageNet's mean and deviation, with the network's own."""
    mean, deviation, imagenet_mean, imagenet_deviation = (
        image.new_tensor(values)[:, None, None]
        for values in (*(network.pretrained_cfg[key] for key in ("mean", "std")), IMAGENET_MEAN, IMAGENET_STD)
    )
    return (image * imagenet_deviation + imagenet_mean - mean) / deviation


def as_map(network, features, size):
    """Timm's features (B, h * w, N), (B, h, w, N) or (B, N, h, w) as (B, N, h, w)."""
    if features.ndim == 3:
        return features.transpose(1, 2).unflatten(2, size)
    last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    return features.permute(0, 3, 1, 2) if last else features


def expect_sizes(backbone, size):
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)))
    for feature, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
        assert feature.shape == (1, channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        assert feature.isfinite().all()


def expect_timms_last_features(name):
    """The levels in turn are the network, and every entry of it has its place but for a classifier's."""
    options = {}
    if kind_of(name) in WINDOWS:
        options["strict_img_size"] = False
    if name == SWIN:
        options["always_partition"] = True
    network = timms(name, **options)
    backbone, rest = load_library(build(name), network)
    assert all(key.startswith(BEHIND_THE_FEATURES) for key in rest), list(rest)
    # Signals of some of them grow: float32 would need a tolerance for each.
    image = IMAGE.double()
    with torch.no_grad():
        expected = network.double().forward_features(as_its_weights_expect(network, image))
        got = backbone.double()(image)[-1]
    torch.testing.assert_close(got, as_map(network, expected, got.shape[2:]))


@pytest.mark.parametrize("name", [name for name, stride in NETWORKS.items() if stride == 32])
def test_last_level_gives_timms_features(name):
    expect_timms_last_features(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS.values())
def test_last_level_gives_timms_features_in_each_kind(name):
    expect_timms_last_features(name)
    expect_sizes(build(name).eval(), (41, 50))


def test_each_kind_of_chain_is_tested():
    assert {kind_of(name) for name in (*NETWORKS, *KINDS.values())} >= CHAINS | WINDOWS
    assert all(kind_of(name) == kind for kind, name in KINDS.items())
    assert set(NETWORKS) | set(KINDS.values()) <= set(supported_timm_names())


@pytest.mark.parametrize(
    ("name", "mean"),
    [(VIT, "own"), ("deit_tiny_distilled_patch16_224", None), ("vit_tiny_patch16_dinov3_qkvb", None)],
)
def test_plain_transformer_is_timms_without_class_token(name, mean):
    """Timm builds such a network itself, but for tokens that only some of its builders can leave out."""
    network = timms(name, dynamic_img_size=True)
    if network.pos_embed is not None:
        network.pos_embed = nn.Parameter(network.pos_embed[:, network.num_prefix_tokens :])
    backbone, rest = load_library(build(name), timms(name, dynamic_img_size=True))
    assert set(rest) <= {"cls_token", "reg_token", "dist_token"}
    network.cls_token = network.reg_token = None
    network.dist_token = None
    network.num_prefix_tokens, network.no_embed_class = 0, True
    for block in network.blocks:
        block.attn.num_prefix_tokens = 0
    forward = types.MethodType(timm.models.VisionTransformer._pos_embed, network)
    if name.startswith("deit"):
        network._pos_embed = forward
    with torch.no_grad():
        features = network.forward_features(as_its_weights_expect(network, IMAGE))
        got = backbone(IMAGE)[-1]
    torch.testing.assert_close(got, as_map(network, features, (4, 6)), **TOLERANCE)
    assert (tuple(network.pretrained_cfg["mean"]) == (0.5, 0.5, 0.5)) == (mean == "own")


def test_a_patch_of_14_pixels_covers_16():
    """DINOv2: the grid is that of the other backbones, and each patch sees its cell alone."""
    network = timms(DINO, dynamic_img_size=True)
    backbone, _ = load_library(build(DINO), network)
    image = torch.randn(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        padded = F.pad(image, (0, 0, 0, 8))
        tokens = network.patch_embed(F.interpolate(padded, (42, 42), mode="bilinear", align_corners=False))
        position = timm.layers.resample_abs_pos_embed(network.pos_embed, new_size=[3, 3], num_prefix_tokens=1)
        expected = tokens + position[:, 1:].reshape(1, 3, 3, -1)
        got = backbone.levels[0](image)
    assert backbone.strides == (16,) * 5
    torch.testing.assert_close(got, expected.permute(0, 3, 1, 2), **TOLERANCE)


@pytest.mark.parametrize(
    ("name", "first"), [("resnet18d", 0), ("efficientnet_b0", 0), ("convnext_atto", 1), (SWIN, 1)]
)
def test_levels_end_where_timms_features_do(name, first):
    """Five features are five levels; where timm has four the stem is level 0."""
    options = {"strict_img_size": False, "always_partition": True} if name == SWIN else {}
    network = timms(name, **options)
    backbone, _ = load_library(build(name), network)
    with torch.no_grad():
        expected = network.forward_intermediates(IMAGE, intermediates_only=True)
        got = backbone(IMAGE)[first:]
    # The last level goes on behind the last feature: by a convolution or a norm.
    for ours, theirs in list(zip(got, expected, strict=True))[:-1]:
        torch.testing.assert_close(ours, theirs, **TOLERANCE)
    assert backbone.strides[first:] == tuple(entry["reduction"] for entry in network.feature_info)


@pytest.mark.parametrize("size", [(33, 47), (41, 50), (97, 31)])
@pytest.mark.parametrize("name", NETWORKS)
def test_grid_of_any_size(name, size):
    expect_sizes(build(name).eval(), size)


@pytest.mark.parametrize(
    ("name", "output_stride", "channels", "strides"),
    [
        ("resnet18d", 16, (64, 64, 128, 256, 512), (2, 4, 8, 16, 16)),
        ("resnet18d", 8, (64, 64, 128, 256, 512), (2, 4, 8, 8, 8)),
        ("mobilenetv3_small_100", 16, (16, 16, 24, 48, 576), (2, 4, 8, 16, 16)),
        ("convnext_atto", 32, (40, 40, 80, 160, 320), (4, 4, 8, 16, 32)),
        ("convnext_atto", 8, (40, 40, 80, 160, 320), (4, 4, 8, 8, 8)),
        (SWIN, 32, (96, 96, 192, 384, 768), (4, 4, 8, 16, 32)),
        (SWIN, 16, (96, 96, 192, 384, 768), (4, 4, 8, 16, 16)),
        (SWIN, 8, (96, 96, 192, 384, 768), (4, 4, 8, 8, 8)),
        (VIT, 16, (192,) * 5, (16,) * 5),
        (DINO, 16, (384,) * 5, (16,) * 5),
        # Attention and perceptron side by side in each block.
        ("vit_pwee_patch16_reg1_gap_256", 16, (256,) * 5, (16,) * 5),
    ],
)
def test_plan(name, output_stride, channels, strides):
    backbone = build(name, output_stride=output_stride).eval()
    assert (backbone.channels, backbone.strides) == (channels, strides)
    expect_sizes(backbone, (41, 50))


@pytest.mark.parametrize("name", ["resnet18d", "convnext_atto", "mobilenetv3_small_100", "regnetx_002"])
def test_dilated_network_is_timms(name):
    options = {"features_only": True} if name.startswith("mobilenetv3") else {"num_classes": 0}
    torch.manual_seed(1)
    network = timm.create_model(name, output_stride=8, **options).eval()
    backbone, _ = load_library(build(name, output_stride=8, dilate=True), network)
    with torch.no_grad():
        whole = network(IMAGE)[-1] if "features_only" in options else network.forward_features(IMAGE)
        last = -1 if whole.shape[1] == backbone.channels[-1] else -2
        got = backbone(IMAGE)[last]
    torch.testing.assert_close(got, whole, **TOLERANCE)


@pytest.mark.parametrize("name", ["resnet18d", "convnext_atto", "efficientnet_b0", "nf_regnet_b0"])
def test_without_dilation_every_second_cell_is_what_it_was(name):
    """Up to the convolution that lost its stride: what follows sees nearer cells."""
    whole = build(name).eval()
    dense, _ = load_library(build(name, output_stride=16), timms(name))
    load_library(whole, timms(name))
    convolutions = [
        {key: one for key, one in network.levels[4].named_modules() if isinstance(one, nn.Conv2d)}
        for network in (whole, dense)
    ]
    strided = [key for key, one in convolutions[0].items() if one.stride == (2, 2)]
    assert strided
    assert all(one.stride == (1, 1) for one in convolutions[1].values())
    for key, one in convolutions[1].items():
        assert one.dilation == convolutions[0][key].dilation == (1, 1)
    first = strided[0]
    features = torch.randn(
        1, convolutions[0][first].in_channels, 8, 12, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        sparse, full = (one[first](features) for one in convolutions)
    assert full.shape[2:] == features.shape[2:]
    torch.testing.assert_close(full[..., ::2, ::2], sparse, **TOLERANCE)


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
def test_merging_around_each_cell_keeps_every_second_result(size):
    torch.manual_seed(0)
    merging = PatchMerging(4)
    features = torch.randn(2, *size, 4)
    with torch.no_grad():
        expected = merging(features)
        merging.register_forward_pre_hook(spread_pairs)
        got = merging(features)
    assert got.shape == (2, *size, 8)
    torch.testing.assert_close(got[:, ::2, ::2], expected)


def test_own_mean_and_deviation_by_hand():
    # A pixel of value .985 in the first channel, .456 in the second, .182 in the third.
    image = torch.tensor([0.5 / 0.229, 0.0, -0.224 / 0.225])[None, :, None, None]
    got = Renormalize((0.5, 0.5, 0.5), (0.5, 0.25, 0.5))(image)
    torch.testing.assert_close(got.flatten(), torch.tensor([0.97, -0.176, -0.636]))


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_level(name):
    backbone = build(name).train()
    features = backbone(torch.randn(2, 3, 41, 50, generator=torch.Generator().manual_seed(0)))
    features[-1].square().mean().backward()
    without = [key for key, parameter in backbone.named_parameters() if parameter.grad is None]
    assert not without
    assert all(parameter.grad.isfinite().all() for parameter in backbone.parameters())
    assert any(parameter.grad.abs().max() > 0 for parameter in backbone.levels[0].parameters())


@pytest.mark.parametrize(
    "name", ["convnext_atto", SWIN, VIT, "efficientnet_b0", "vit_tiny_patch16_dinov3_qkvb"]
)
def test_weights_go_through_a_file(name, tmp_path):
    network = timms(name)
    torch.save(network.state_dict(), tmp_path / "library.pth")
    first = build(name, pretrained=tmp_path / "library.pth")
    torch.save(first.state_dict(), tmp_path / "ours.pth")
    torch.manual_seed(7)
    second = build_backbone(f"timm:{name}", pretrained=tmp_path / "ours.pth", output_stride=NETWORKS[name])
    known, _ = first.rename_library_keys(network.state_dict())
    assert known.keys() == first.state_dict().keys() == second.state_dict().keys()
    for key, value in known.items():
        assert torch.equal(value, first.state_dict()[key])
        assert torch.equal(value, second.state_dict()[key])


@pytest.mark.parametrize("name", ["convnext_atto", SWIN, VIT])
def test_freezing_batch_norm_leaves_layer_norm_alone(name):
    backbone = build(name).train()
    freeze_batch_norm(backbone)
    norms = [module for module in backbone.modules() if isinstance(module, nn.LayerNorm)]
    assert norms
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_blocks_of_a_transformer_are_shared_out():
    backbone = build(VIT)
    assert [len(level.blocks) for level in backbone.levels[1:]] == [3, 3, 3, 3]
    assert isinstance(backbone.levels[4].norm, nn.LayerNorm)
    assert isinstance(backbone.levels[3].norm, nn.Identity)


def test_building_leaves_the_statistics_of_batch_norm_alone():
    backbone = build("resnet18d")
    means = [value for key, value in backbone.state_dict().items() if key.endswith("running_mean")]
    assert means
    assert all((mean == 0).all() for mean in means)
    assert all(module.training for module in backbone.modules())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("swin_tiny", {}, r"a network of timm .* behind timm:, got 'swin_tiny' \(did you mean timm:swin"),
        ("resnet18.nowhere", {}, r"a tag that timm has behind the name, got 'resnet18\.nowhere'"),
        (
            "xcit_nano_12_p8_224",
            {},
            "cut into 5 levels, got timm:xcit_nano_12_p8_224: timm's xcit is not made",
        ),
        ("mobilevitv2_050", {}, "cut into 5 levels, got timm:mobilevitv2_050: its modules do not follow"),
        (
            "fastvit_mci3",
            {},
            "got timm:fastvit_mci3: its last level has stride 64: choose another 'backbone'",
        ),
        ("bat_resnext26ts", {}, r"do not follow each other on any grid \(AssertionError\)"),
        ("vit_small_patch16_rope_mixed_224", {"output_stride": 16}, "its blocks learn a rotation"),
        (
            VIT,
            {"output_stride": 8},
            r"expected output_stride 16 \(patches of 16 x 16 pixels\) for timm:vit",
        ),
        (VIT, {"output_stride": 32}, r"expected output_stride 16 \(patches"),
        (
            "densenet121",
            {"output_stride": 16},
            r"expected output_stride 32 \(timm has no other\) for timm:dense",
        ),
        (SWIN, {"output_stride": 16, "dilate": True}, "expected dilate=False for timm:swin.* windows cannot"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(name, **options)
    assert "\n" not in str(caught.value)
