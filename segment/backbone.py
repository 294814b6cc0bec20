"""The project's cut backbones under mmsegmentation's roof."""

from pathlib import Path

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from wsss.backbones import build_backbone, freeze_batch_norm


@MODELS.register_module()
class CutBackbone(BaseModule):
    """One of the project's backbones, as mmsegmentation's networks expect it."""

    def __init__(
        self,
        name: str,
        *,
        pretrained: str | Path | None = None,
        output_stride: int = 8,
        dilate: bool = True,
        freeze_norm: bool = True,
    ) -> None:
        """Build the backbone; its weights are loaded at once.

        Args:
            name: as in `wsss.backbones.build_backbone`.
            pretrained: None for random weights, "imagenet", or the path of a state dict.
            output_stride: stride of the last feature.
            dilate: dilate what lost its stride.
            freeze_norm: batch norm keeps its statistics, weights and biases. Right for pretrained weights and
                small batches; from random weights it must be False, or nothing is learnt.

        Raises:
            ConfigError: unknown name, or weights that do not fit.
        """
        super().__init__()
        self.network = build_backbone(name, pretrained=pretrained, output_stride=output_stride, dilate=dilate)
        self.freeze_norm = freeze_norm
        self.train()

    def init_weights(self) -> None:
        """Keep the weights: they were drawn or loaded when the backbone was built."""

    def train(self, mode: bool = True) -> "CutBackbone":
        """Switch to training or evaluation; frozen batch norm stays in evaluation."""
        super().train(mode)
        if self.freeze_norm:
            freeze_batch_norm(self)
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of all five levels.

        Args:
            image: (B, 3, H, W) float, normalised with the ImageNet mean and deviation.

        Returns:
            Five tensors; the last one is at stride ``output_stride``.
        """
        features: list[Tensor] = self.network(image)
        return features
