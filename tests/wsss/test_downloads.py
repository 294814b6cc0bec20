"""ImageNet weights that would have to be downloaded; nothing here needs a network connection."""

import io
import re
import socket
import urllib.error

import huggingface_hub
import pytest
import timm
import torch
from torchvision import models

from wsss.backbones import build_backbone, downloads, missing_download, weights_sha256
from wsss.errors import ConfigError

RESNET18 = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
MOBILENET = "timm/mobilenetv1_100.ra4_e3600_r224_in1k"


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)


def refuse_connections(monkeypatch):
    """What a machine without a network does; the calls are counted."""
    calls = []

    def refuse(request, *_, **__):
        calls.append(request.full_url if hasattr(request, "full_url") else request)
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr(
        timm, "create_model", lambda *_, **__: pytest.fail("the hub was asked, which is slow")
    )
    return calls


@pytest.mark.parametrize(
    ("name", "pretrained", "expected"),
    [
        ("resnet18", "imagenet", RESNET18),
        ("mobilenetv1_100", "imagenet", MOBILENET),
        ("timm:convnext_atto", "imagenet", "timm/convnext_atto.d2_in1k"),
        ("timm:convnext_atto.d2_in1k", "imagenet", "timm/convnext_atto.d2_in1k"),
        ("timm:vit_small_patch14_dinov2", "imagenet", "timm/vit_small_patch14_dinov2.lvd142m"),
        ("resnet18", None, None),
        ("resnet18", "some/file.pth", None),
        ("timm:convnext_atto", None, None),
        ("plain8", "imagenet", None),
    ],
)
def test_what_is_missing(name, pretrained, expected):
    assert missing_download(name, pretrained) == expected


def test_what_lies_in_a_cache_is_not_missing(monkeypatch, tmp_path):
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "resnet18-f37072fd.pth").touch()
    assert missing_download("resnet18", "imagenet") is None
    assert missing_download("resnet34", "imagenet") is not None
    asked = []

    def find(repository, file, **_):
        asked.append((repository, file))
        return str(tmp_path / file) if file == "pytorch_model.bin" else None

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", find)
    assert missing_download("mobilenetv1_100", "imagenet") is None
    assert asked == [(MOBILENET, "model.safetensors"), (MOBILENET, "pytorch_model.bin")]


def test_networks_without_weights_are_named():
    with pytest.raises(
        ConfigError, match=r"with pretrained weights in timm, got 'dpn48b', which has none there"
    ):
        missing_download("timm:dpn48b", "imagenet")


@pytest.mark.parametrize(
    ("name", "origin", "tried"),
    [
        ("resnet18", RESNET18, RESNET18),
        ("mobilenetv1_100", MOBILENET, f"https://huggingface.co/{MOBILENET}/resolve/main/model.safetensors"),
    ],
)
def test_without_a_connection_one_line_comes_at_once(name, origin, tried, monkeypatch, capsys):
    calls = refuse_connections(monkeypatch)
    message = (
        f"expected to download the ImageNet weights of {name} from {re.escape(origin)}, got: .*not known.*: "
        "connect to the internet, or give a file: --weights FILE, or its path as model.pretrained"
    )
    with pytest.raises(ConfigError, match=message) as caught:
        build_backbone(name, pretrained="imagenet")
    assert "\n" not in str(caught.value)
    assert calls == [tried]


def test_networks_of_timm_are_not_asked_for_either(monkeypatch):
    calls = refuse_connections(monkeypatch)
    with pytest.raises(
        ConfigError, match=r"weights of timm:convnext_atto from timm/convnext_atto\.d2_in1k, got"
    ):
        build_backbone("timm:convnext_atto", pretrained="imagenet")
    assert len(calls) == 1


def test_a_server_that_answers_is_left_to_the_library(monkeypatch):
    """A file that is not there is the library's to report; its reason is kept."""

    def answer(request, *_, **__):
        raise urllib.error.HTTPError(request.full_url, 404, "Not Found", {}, io.BytesIO())

    monkeypatch.setattr("urllib.request.urlopen", answer)
    seen = []

    def create(name, **options):
        seen.append((name, options["pretrained"], socket.getdefaulttimeout()))
        raise OSError("404 Client Error.\n\nmore lines")

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(ConfigError, match=r"got: 404 Client Error\.: connect to"):
        build_backbone("mobilenetv1_100", pretrained="imagenet")
    assert seen == [("mobilenetv1_100", True, downloads.TIMEOUT)]
    assert socket.getdefaulttimeout() is None


def test_damaged_download_is_one_line(monkeypatch):
    def damage(*_, **__):
        raise RuntimeError('invalid hash value (expected "f37072fd", got "00000000")')

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", damage)
    with pytest.raises(ConfigError, match=r"resnet18 from .*, got: invalid hash value"):
        build_backbone("resnet18", pretrained="imagenet")


def test_manifests_name_the_weights_by_one_word():
    assert weights_sha256("imagenet") == "imagenet"
    assert weights_sha256(None) == "random"
