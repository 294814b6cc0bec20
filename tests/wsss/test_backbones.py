"""Cut backbones against the whole networks that they come from."""

import pytest
import torch
from torch import nn

from wsss.backbones import build_backbone, freeze_batch_norm, weights_sha256
from wsss.errors import ConfigError

IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
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
    with pytest.raises(ConfigError, match="expected a backbone out of resnet18"):
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


def test_frozen_batch_norm_keeps_its_statistics():
    backbone = build_backbone("plain8").train()
    freeze_batch_norm(backbone)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(IMAGE)[-1].sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert all(p.grad is None for n, p in backbone.named_parameters() if p.ndim == 1)
