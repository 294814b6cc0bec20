"""A trained network in ONNX: RGB values in, probabilities at the same size out, for any size."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segment.segmentor import Segmentor
from wsss.artifacts import atomic_write
from wsss.errors import ConfigError

OPSET = 17
_EXAMPLE = (2, 3, 65, 97)


class _Exported(nn.Module):
    """Normalisation, network and softmax at the image's size: one scale, no flip."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", network.data_preprocessor.mean.clone())
        self.register_buffer("std", network.data_preprocessor.std.clone())

    def forward(self, image: Tensor) -> Tensor:
        logit = self.network((image - self.mean) / self.std, mode="tensor")
        return F.interpolate(logit, image.shape[2:], mode="bilinear", align_corners=False).softmax(dim=1)


def export_onnx(segmentor: Segmentor, path: str | Path) -> None:
    """Write the network for onnxruntime and others.

    Input ``image`` (B, 3, H, W) float32 RGB in [0, 255], output ``probabilities`` (B, C+1, H, W) float32 at
    scale 1 without flips; all but the channels are dynamic. ``classes`` stand in the file's metadata.

    Args:
        segmentor: the network.
        path: the file to write, atomically.

    Raises:
        ConfigError: the packages of the extra ``onnx`` are not there.
        ArtifactError: the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise ConfigError(
            "expected the package onnx, which exporting needs, found none: pip install -e '.[onnx]'"
        ) from error
    # A copy: the caller's network stays on its device.
    module = _Exported(copy.deepcopy(segmentor.network)).cpu().eval()
    image = torch.rand(_EXAMPLE) * 255
    sizes = {0: "batch", 2: "height", 3: "width"}
    with atomic_write(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of each size that it reads, and of its own age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (image,),
            str(temporary),
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": sizes, "probabilities": sizes},
            opset_version=OPSET,
            dynamo=False,
        )
        exported = onnx.load(str(temporary))
        entry = exported.metadata_props.add()
        entry.key, entry.value = "classes", "\n".join(segmentor.classes)
        onnx.save(exported, str(temporary))
