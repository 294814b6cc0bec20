"""Cut networks for localisation: grids, names, weights of libraries."""

from pathlib import Path

import pytest
import torch

from seeds.localization_backbones import LIBRARY_NAMES, build_localization_backbone
from wsss.backbones import build_backbone
from wsss.errors import ConfigError

WEIGHTS = Path(__file__).parents[2].parent / "shared" / "data" / "weights"


def library_state_dict(name):
    import timm
    from torchvision import models

    if name == "mobilenetv1":
        return timm.create_model("mobilenetv1_100").state_dict()
    if name == "inception_v3":
        return models.inception_v3(weights=None, init_weights=False).state_dict()
    if name == "plain8":
        return build_backbone(name).levels.state_dict()
    if name == "vgg16":  # without its 120 million weights of a classifier
        features = models.vgg.make_layers(models.vgg.cfgs["D"])
        return {f"features.{key}": value for key, value in features.state_dict().items()}
    return models.get_model(LIBRARY_NAMES[name], weights=None).state_dict()


@pytest.mark.parametrize("name", list(LIBRARY_NAMES))
def test_grids_and_library_weights(name, tmp_path):
    state = library_state_dict(name)
    torch.save(state, tmp_path / "weights.pth")
    backbone = build_localization_backbone(name, pretrained=tmp_path / "weights.pth").eval()
    with torch.no_grad():
        features = backbone.extractor(torch.zeros(1, 3, 224, 224))
        deepest = backbone.tail(features)
    assert features.shape == (1, backbone.channels[0], 28, 28)
    assert deepest.shape == (1, backbone.channels[1], 14, 14)
    renamed, rest = backbone.rename_library_keys(state)
    assert set(renamed) == set(backbone.state_dict())
    assert not [key for key in rest if not key.startswith(("fc.", "classifier.", "AuxLogits."))]
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, renamed[key], rtol=0, atol=0, msg=key)
    # Under the library's names they fit networks that are cut elsewhere.
    for key, value in backbone.library_state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0, msg=key)
    # What a stage saved goes in too, under our names.
    torch.save(backbone.state_dict(), tmp_path / "ours.pth")
    build_localization_backbone(name, pretrained=tmp_path / "ours.pth")


def test_mobilenet_is_timm_s_with_another_stride_and_open_activations():
    """Second implementation: timm's network on the same weights, strides and activation made ours."""
    import timm
    from torch import nn

    torch.manual_seed(0)
    theirs = timm.create_model("mobilenetv1_100", num_classes=0)
    theirs.blocks[3][0].conv_dw.stride = (1, 1)
    for module in theirs.modules():
        if isinstance(getattr(module, "act", None), nn.ReLU6):
            module.act = nn.ReLU()
    backbone = build_localization_backbone("mobilenetv1").eval()
    backbone.load_state_dict(backbone.rename_library_keys(theirs.state_dict())[0])
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        ours = backbone.tail(backbone.extractor(image))
        torch.testing.assert_close(ours, theirs.eval().forward_features(image))


@pytest.mark.data
@pytest.mark.parametrize("name", ["resnet50", "mobilenetv1"])
def test_imagenet_weights(name):
    file = WEIGHTS / f"{LIBRARY_NAMES[name]}_imagenet.pth"
    if not file.is_file():
        pytest.skip("needs ../shared/data/weights")
    backbone = build_localization_backbone(name, pretrained=file)
    first = next(iter(backbone.extractor.parameters()))
    (expected,) = (
        value
        for key, value in torch.load(file, weights_only=True).items()
        if key in ("conv1.weight", "conv_stem.weight")
    )
    torch.testing.assert_close(first, expected.float(), rtol=0, atol=0)


def test_the_demos_network_lends_its_weights_to_later_stages(tmp_path):
    torch.manual_seed(0)
    backbone = build_localization_backbone("plain8").eval()
    torch.save(backbone.library_state_dict(), tmp_path / "saved.pth")
    later = build_backbone("plain8", pretrained=tmp_path / "saved.pth").eval()
    image = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        torch.testing.assert_close(later(image)[-1], backbone.tail(backbone.extractor(image)))
    with pytest.raises(ConfigError, match="expected pretrained None or a file for plain8, got 'imagenet'"):
        build_localization_backbone("plain8", pretrained="imagenet")


def test_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a backbone out of vgg16, resnet50.*got 'resnet18'"):
        build_localization_backbone("resnet18")
    with pytest.raises(ConfigError, match="found no file: correct 'pretrained'"):
        build_localization_backbone("mobilenetv1", pretrained=tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ConfigError, match=r"expected a PyTorch state dict in .*text.pth"):
        build_localization_backbone("mobilenetv1", pretrained=tmp_path / "text.pth")
    state = library_state_dict("mobilenetv1")
    torch.save(state | {"bn1.weight": torch.zeros(3)}, tmp_path / "shape.pth")
    with pytest.raises(ConfigError, match=r"of shape \(32,\), got \(3,\) in .*shape.pth"):
        build_localization_backbone("mobilenetv1", pretrained=tmp_path / "shape.pth")
    del state["bn1.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(ConfigError, match=r"1 of 162 entries are missing \(first: extractor.0.1.weight\)"):
        build_localization_backbone("mobilenetv1", pretrained=tmp_path / "less.pth")
