"""ImageNet weights that the libraries download: which file is missing, and errors in one line."""

import contextlib
import dataclasses
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import torch

from wsss.backbones.timm_names import PREFIX, pretrained_entry
from wsss.errors import ConfigError

# Seconds without an answer after which a download is given up.
TIMEOUT = 15.0
_ADVICE = "connect to the internet, or give a file: --weights FILE, or its path as model.pretrained"
# Names of ours that are timm's: all others are torchvision's.
_TIMM_NAMES = ("mobilenetv1_100",)
_NO_WEIGHTS = ("plain8",)
# The hub's files, in the order in which timm looks for them.
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclasses.dataclass(frozen=True)
class _Source:
    """Where ImageNet weights come from.

    Attributes:
        name: as people find it: a URL, or the name of a repository on the Hugging Face hub.
        url: of the file.
        on_hub: the hub's library gets it, which repeats a request for a minute before it gives up.
    """

    name: str
    url: str
    on_hub: bool


def missing_download(name: str, pretrained: str | Path | None) -> str | None:
    """The file that would have to be downloaded for a backbone's ImageNet weights; nothing is downloaded.

    Args:
        name: as in `wsss.backbones.build_backbone`.
        pretrained: as there.

    Returns:
        A URL (torchvision) or the name of a repository on the Hugging Face hub (timm). None: the file is in
        the library's cache already, or ``pretrained`` asks for no download.

    Raises:
        ConfigError: timm has no such network, or no weights of it.
    """
    source = _missing_source(name, pretrained)
    return None if source is None else source.name


@contextlib.contextmanager
def downloading(name: str, pretrained: str | Path | None) -> Iterator[None]:
    """Around code that may download a backbone's weights: a failure is one line, and comes soon.

    Args:
        name: as in `wsss.backbones.build_backbone`.
        pretrained: as there.

    Raises:
        ConfigError: no connection, or no such file.
    """
    if pretrained != "imagenet":
        yield
        return
    source = _missing_source(name, pretrained)
    before = socket.getdefaulttimeout()
    # torch.hub sets no limit of its own: behind some firewalls it would wait for ever.
    socket.setdefaulttimeout(TIMEOUT)
    try:
        if source is not None and source.on_hub:
            _reach(source.url)
        yield
    # The errors of urllib, of sockets and of the hub's library are OSErrors; a wrong hash is a RuntimeError.
    except (OSError, RuntimeError) as error:
        origin = "the cache" if source is None else source.name
        cause = getattr(error, "reason", None) or error  # urllib wraps what went wrong
        reason = (str(cause).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"expected to download the ImageNet weights of {name} from {origin}, got: {reason}: {_ADVICE}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _missing_source(name: str, pretrained: str | Path | None) -> _Source | None:
    """Where the weights come from if they are needed and not in a cache."""
    if pretrained != "imagenet" or name in _NO_WEIGHTS:
        return None
    if name.startswith(PREFIX) or name in _TIMM_NAMES:
        return _missing_of_timm(name.removeprefix(PREFIX))
    return _missing_of_torchvision(name)


def _missing_of_torchvision(name: str) -> _Source | None:
    from torchvision import models

    if name not in models.list_models():
        return None  # `build_backbone` says so
    url: str = models.get_model_weights(name)["IMAGENET1K_V1"].url
    return None if _in_torch_hub(url) else _Source(url, url, on_hub=False)


def _missing_of_timm(name: str) -> _Source | None:
    import huggingface_hub

    entry = pretrained_entry(name)
    if entry.file is not None:
        return None
    if entry.hf_hub_id is None:
        return None if _in_torch_hub(entry.url) else _Source(entry.url, entry.url, on_hub=False)
    repository, _, revision = entry.hf_hub_id.partition("@")
    files = (entry.hf_hub_filename,) if entry.hf_hub_filename else _HUB_FILES
    for file in files:
        found = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision or None)
        if isinstance(found, str):
            return None
    url = huggingface_hub.hf_hub_url(repository, files[0], revision=revision or None)
    return _Source(repository, url, on_hub=True)


def _in_torch_hub(url: str) -> bool:
    return (Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name).is_file()


def _reach(url: str) -> None:
    """Ask once whether a server answers.

    Raises:
        OSError: it does not.
    """
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT):
            pass
    except urllib.error.HTTPError:
        pass  # It answers; what it lacks the library finds out.
