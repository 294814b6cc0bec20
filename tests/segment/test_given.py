"""Released networks used without training: ours, deeplab-pytorch's and torchvision's."""

import json
import logging
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models.segmentation import deeplabv3_resnet50

from segment.given import load_given
from segment.infer import predict_probabilities
from segment.network import build_network
from segment.segmentor import load_segmentor, pack_segmentor
from segment.settings import check_job, complete_config
from segment.stage import STAGE, reads, splits
from tests.segment.test_backbone import released_features, released_state_dict
from wsss.artifacts import read_mask
from wsss.config import Settings, load_config
from wsss.engine import run_stage
from wsss.errors import ConfigError
from wsss.images import IMAGENET_MEAN, IMAGENET_STD
from wsss.paths import PROJECT_ROOT
from wsss.stage import Preview

PRESETS = PROJECT_ROOT / "configs" / "segment"


def preset(name, file, demo_settings, **model):
    """A preset on ResNet50 and the demo's pictures, with the weights of a file."""
    config = load_config(STAGE, "", path=PRESETS / f"{name}.py")
    config.dataset = demo_settings
    config.model.weights = str(file)
    config.model.backbone.name = "resnet50"
    config.model.update(model)
    config.merge_from_dict({"infer": {"scales": (1.0,), "flip": False, "crf": False}})
    return config


def network_of(config, num_classes=20):
    return load_given(
        complete_config(config, num_classes=num_classes, masks=None).model, config.model.weights
    )


@pytest.fixture
def picture():
    coarse = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((90, 65)))


@pytest.fixture(scope="module")
def torchvisions():
    """torchvision's network of seven labels with random weights and statistics other than 0 and 1."""
    torch.manual_seed(0)
    network = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=7, aux_loss=True)
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(2, 3, 65, 65))
    return network.eval()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_torchvisions_logits(torchvisions, picture, demo_settings, tmp_path, caplog, prefix):
    state = {f"{prefix}{name}": value for name, value in torchvisions.state_dict().items()}
    torch.save(state, tmp_path / "deeplabv3.pth")
    config = preset("deeplabv3_r101_voc_torchvision", tmp_path / "deeplabv3.pth", demo_settings)
    with caplog.at_level(logging.INFO):
        network = network_of(config, num_classes=6)
    image = (torch.from_numpy(picture).float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(
        IMAGENET_STD
    )
    batch = image.permute(2, 0, 1)[None]
    with torch.no_grad():
        theirs = torchvisions(batch)["out"]
        ours = F.interpolate(network(batch, mode="tensor"), picture.shape[:2], mode="bilinear")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    found = predict_probabilities(network, picture, scales=(1.0,), flip=False)
    np.testing.assert_allclose(found, theirs[0].softmax(dim=0).numpy(), atol=1e-4)
    left = sum(name.startswith("aux_classifier") for name in torchvisions.state_dict())
    loaded = len(state) - left
    assert (
        f"TorchvisionDeepLabV3Head of 7 labels: {loaded} entries of deeplabv3.pth loaded by torchvision's "
        f"names, left out: {left} (first: aux_classifier.0.weight); nothing is trained" in caplog.text
    )


def test_deeplab_pytorchs_logits_by_a_second_implementation(picture, demo_settings, tmp_path, caplog):
    entries = released_state_dict(prefix="base.")
    torch.save(entries, tmp_path / "deeplab.pth")
    config = preset("deeplabv2_r101_voc_released", tmp_path / "deeplab.pth", demo_settings)
    with caplog.at_level(logging.INFO):
        network = network_of(config)
    plain = {name.removeprefix("base."): value for name, value in entries.items()}
    bgr = torch.from_numpy(picture[..., ::-1].copy()).float() - torch.tensor([104.008, 116.669, 122.675])
    features = released_features(plain, bgr.permute(2, 0, 1)[None])
    theirs = sum(
        F.conv2d(features, plain[f"aspp.c{i}.weight"], plain[f"aspp.c{i}.bias"], padding=rate, dilation=rate)
        for i, rate in enumerate((6, 12, 18, 24))
    )
    theirs = F.interpolate(theirs, picture.shape[:2], mode="bilinear").softmax(dim=1)[0]
    with torch.no_grad():
        found = predict_probabilities(network, picture, scales=(1.0,), flip=False)
    np.testing.assert_allclose(found, theirs.numpy(), atol=1e-4)
    assert f"{len(entries)} entries of deeplab.pth loaded by deeplab-pytorch's names, left out: none" in (
        caplog.text
    )


def test_a_released_network_is_predicted_scored_packed_and_opened(
    torchvisions, demo, demo_settings, tmp_path, monkeypatch
):
    torch.save(torchvisions.state_dict(), tmp_path / "deeplabv3.pth")
    config = preset("deeplabv3_r101_voc_torchvision", tmp_path / "deeplabv3.pth", demo_settings)
    monkeypatch.setattr("segment.stage.train_segmentor", None)
    assert reads(config) == ()
    assert splits(config) == ("val",)
    # Neither masks nor seeds are there.
    artifact = run_stage(STAGE, Settings(config), dataset_name="tiny", work_dir=tmp_path / "work")
    folder = tmp_path / "work" / "segment"
    scores = json.loads((folder / "scores.json").read_text())
    assert artifact.ids == demo.ids("val")
    assert 0 <= scores["mIoU"] <= 1
    assert scores["initialisation"] == "trained weights deeplabv3.pth, not trained here"
    assert artifact.manifest["supervision"] == "what its file was trained on"
    assert re.fullmatch("[0-9a-f]{64}", artifact.manifest["settings"]["model.weights"])
    image = np.asarray(Image.open(demo.image_path(demo.ids("val")[0])).convert("RGB"))
    published = read_mask(artifact.file(demo.ids("val")[0]))
    opened = load_segmentor(folder)
    np.testing.assert_array_equal(opened.predict(image), published)
    pack_segmentor(opened, tmp_path / "one.wsss")
    np.testing.assert_array_equal(load_segmentor(tmp_path / "one.wsss").predict(image), published)


def test_our_own_file_is_taken_as_it_is(demo_settings, tiny_config, tmp_path):
    plain = complete_config(tiny_config, num_classes=6, masks=None)
    torch.manual_seed(1)
    network = build_network(plain.model)
    torch.save(network.state_dict(), tmp_path / "network.pth")
    tiny_config.model.weights = str(tmp_path / "network.pth")
    loaded = network_of(tiny_config, num_classes=6)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def drop(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("deeplabv2_r101_voc", None, r"got those of torchvision's DeepLabV3 in .*torchvision\.py"),
        (
            "deeplabv3_r101_voc_torchvision",
            lambda state: drop(state, "backbone.layer4.2.bn3.bias"),
            r"by torchvision's names in .*got entries 1 missing \(backbone\.network.*: correct 'model",
        ),
        (
            "deeplabv3_r101_voc_torchvision",
            lambda state: state | {"backbone.layer3.6.conv1.weight": torch.zeros(1)},
            r"got entries 1 unknown \(backbone\.layer3\.6\.conv1\.weight\)",
        ),
        (
            "deeplabv3_r101_voc_torchvision",
            lambda state: state | {"classifier.4.bias": torch.zeros(21)},
            r"got entries 1 of another shape \(decode_head\.layers\.4\.bias\)",
        ),
        ("deeplabv3_r101_voc_torchvision", lambda state: {"a": torch.zeros(1)}, r"by our names .* missing"),
    ],
)
def test_other_networks_are_refused_before_anything_is_made(
    torchvisions, demo, demo_settings, tmp_path, name, change, message
):
    state = torchvisions.state_dict()
    torch.save(state if change is None else change(state), tmp_path / "other.pth")
    config = preset(name, tmp_path / "other.pth", demo_settings)
    with pytest.raises(ConfigError, match=message) as error:
        check_job(Preview(config, demo, {}))
    assert "\n" not in str(error.value)


def test_deeplab_pytorchs_file_wants_its_own_layout(demo, demo_settings, tmp_path):
    torch.save(released_state_dict(), tmp_path / "deeplab.pth")
    config = preset("deeplabv2_r101_voc", tmp_path / "deeplab.pth", demo_settings)
    with pytest.raises(ConfigError, match=r"those of deeplab-pytorch's DeepLabV2 in .*voc_released\.py"):
        check_job(Preview(config, demo, {}))
