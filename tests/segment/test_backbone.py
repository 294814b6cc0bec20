"""Weights of deeplab-pytorch: the network they make against one written down from its description."""

import re

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from segment.backbone import CutBackbone, load_released_weights, rename_released_keys
from wsss.backbones import build_backbone
from wsss.errors import ConfigError

BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # of resnet50
WIDTHS = {2: (64, 256), 3: (128, 512), 4: (256, 1024), 5: (512, 2048)}


def released_state_dict(prefix="", seed=0):
    """Random weights under deeplab-pytorch's names."""
    generator = torch.Generator().manual_seed(seed)
    entries = {}

    def add(name, outputs, inputs, side):
        shape = (outputs, inputs, side, side)
        spread = (2 / (inputs * side * side)) ** 0.5
        entries[f"{name}.conv.weight"] = spread * torch.randn(shape, generator=generator)
        entries[f"{name}.bn.weight"] = 0.5 + torch.rand(outputs, generator=generator)
        entries[f"{name}.bn.bias"] = 0.1 * torch.randn(outputs, generator=generator)
        entries[f"{name}.bn.running_mean"] = 0.1 * torch.randn(outputs, generator=generator)
        entries[f"{name}.bn.running_var"] = 0.5 + torch.rand(outputs, generator=generator)
        entries[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)

    add("layer1.conv1", 64, 3, 7)
    inputs = 64
    for level, count in BLOCKS.items():
        middle, outputs = WIDTHS[level]
        for block in range(1, count + 1):
            name = f"layer{level}.block{block}"
            add(f"{name}.reduce", middle, inputs, 1)
            add(f"{name}.conv3x3", middle, middle, 3)
            add(f"{name}.increase", outputs, middle, 1)
            if block == 1:
                add(f"{name}.shortcut", outputs, inputs, 1)
            inputs = outputs
    for branch in range(4):
        entries[f"aspp.c{branch}.weight"] = torch.randn((21, 2048, 3, 3), generator=generator)
        entries[f"aspp.c{branch}.bias"] = torch.randn(21, generator=generator)
    return {f"{prefix}{name}": value for name, value in entries.items()}


def released_features(entries, image):
    """Second implementation: DeepLab's ResNet50 in evaluation, from its description, on BGR images."""

    def unit(name, x, stride=1, dilation=1):
        weight = entries[f"{name}.conv.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=dilation * (weight.shape[2] // 2), dilation=dilation)
        mean, variance, scale, shift = (
            entries[f"{name}.bn.{entry}"].view(1, -1, 1, 1)
            for entry in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = F.max_pool2d(unit("layer1.conv1", image, stride=2).relu(), 3, 2, 1, ceil_mode=True)
    for level, (stride, dilation) in {2: (1, 1), 3: (2, 1), 4: (1, 2), 5: (1, 4)}.items():
        for block in range(1, BLOCKS[level] + 1):
            name, step = f"layer{level}.block{block}", stride if block == 1 else 1
            h = unit(f"{name}.reduce", x, stride=step).relu()
            h = unit(f"{name}.conv3x3", h, dilation=dilation).relu()
            h = unit(f"{name}.increase", h)
            shortcut = unit(f"{name}.shortcut", x, stride=step) if block == 1 else x
            x = (h + shortcut).relu()
    return x


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    torch.save(released_state_dict(prefix="base."), folder / "deeplab.pth")
    return folder / "deeplab.pth"


@pytest.mark.parametrize("size", [(65, 65), (50, 66)])
def test_released_weights_make_the_released_network(released, size):
    backbone = MODELS.build(
        {"type": "CutBackbone", "name": "resnet50", "released": True, "pretrained": str(released)}
    ).eval()
    image = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(1)).double()
    entries = {name: value.double() for name, value in released_state_dict().items()}
    with torch.no_grad():
        ours = backbone.double()(image)[-1]
        theirs = released_features(entries, image.flip(1))
    # Fifty layers in float64; batch norm's eps is all that is not written the same.
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_head_that_is_left_out_is_named(released, caplog):
    with caplog.at_level("INFO"):
        CutBackbone("resnet50", released=True, pretrained=str(released))
    assert (
        "entries of deeplab.pth loaded into the backbone, left out: 8 (first: base.aspp.c0.weight)"
        in caplog.text
    )


def test_torchvisions_own_layout_is_another_network(released):
    """What the option is for: the same weights in torchvision's layout give other features."""
    renamed = rename_released_keys(released_state_dict())
    plain = build_backbone("resnet50", output_stride=8, dilate=True).eval()
    plain.load_state_dict(plain.rename_library_keys(renamed)[0], strict=False)
    image = torch.randn((1, 3, 65, 65), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = released_features(released_state_dict(), image.flip(1))
        assert not torch.allclose(plain(image)[-1], theirs, rtol=0.05)


def test_every_entry_of_the_backbone_is_renamed_and_the_head_left_out():
    renamed = rename_released_keys(released_state_dict(prefix="module.base."))
    names = set(build_backbone("resnet50").rename_library_keys(renamed)[1])
    assert names == set()
    entries = len(released_state_dict()) - 8
    assert len(renamed) == entries
    assert torch.equal(renamed["conv1.weight"][:, 0], released_state_dict()["layer1.conv1.conv.weight"][:, 2])


@pytest.mark.parametrize(
    ("state_dict", "message"),
    [
        pytest.param({"conv1.weight": torch.zeros(1)}, "but 265 entries are missing", id="other-names"),
        pytest.param(
            {"layer1.conv1.conv.weight": torch.zeros(1, 3, 1, 1)}, "size mismatch", id="other-shape"
        ),
    ],
)
def test_other_checkpoints_are_refused(tmp_path, state_dict, message):
    torch.save(state_dict, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=message) as error:
        load_released_weights(build_backbone("resnet50"), tmp_path / "other.pth")
    assert str(tmp_path / "other.pth") in str(error.value)
    assert "\n" not in str(error.value)


def test_absent_and_broken_files_are_refused(tmp_path):
    backbone = build_backbone("resnet50")
    with pytest.raises(ConfigError, match=r"found no file: correct 'pretrained'"):
        load_released_weights(backbone, tmp_path / "absent.pth")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"expected a PyTorch state dict in .*broken\.pth"):
        load_released_weights(backbone, tmp_path / "broken.pth")


def test_only_bottleneck_resnets_have_released_weights():
    with pytest.raises(ConfigError, match=re.escape("expected resnet50 or resnet101 for released weights")):
        CutBackbone("resnet18", released=True)
