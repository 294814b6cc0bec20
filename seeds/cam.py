"""Plain class activation maps: the baseline that every other seed is measured against."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from wsss.backbones import BatchNormMode, build_backbone, freeze_batch_norm
from wsss.errors import ConfigError


class CAMNet(nn.Module):
    """Classifier whose class map is the activation map (IRN's CAM network).

    Source: Ahn et al., CVPR 2019 and their code: strides 2, 2, 2, 1, batch-norm statistics fixed (its weights
    and biases are trained), no gradient into the stem and the first two layers, multi-label soft-margin
    loss, a 1x1 classifier without bias.
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        num_classes: int = 20,
        pretrained: str | Path | None = None,
        *,
        frozen_levels: int = 3,
        batch_norm: BatchNormMode = "fixed_statistics",
        output_stride: int = 16,
    ) -> None:
        """Build the network.

        Args:
            backbone: name for `wsss.backbones.build_backbone`.
            num_classes: C, without background.
            pretrained: as in `build_backbone`.
            frozen_levels: levels of the backbone that get no gradient, from the stem on (3: up to layer2).
            batch_norm: "fixed_statistics": its pretrained statistics stay, its weights and biases are
                trained (IRN); "fixed": neither changes; "train": both do.
            output_stride: of the class map.
        """
        super().__init__()
        self.backbone = build_backbone(backbone, pretrained=pretrained, output_stride=output_stride)
        self.classifier = nn.Conv2d(self.backbone.channels[-1], num_classes, 1, bias=False)
        nn.init.xavier_uniform_(self.classifier.weight)
        self.batch_norm = batch_norm
        for level in self.backbone.levels[:frozen_levels]:
            level.requires_grad_(False)

    def heads(self) -> list[nn.Conv2d]:
        """The layers that no pretrained weights exist for."""
        return [self.classifier]

    def train(self, mode: bool = True) -> "CAMNet":
        """Switch the mode; batch norm stays fixed where it is meant to."""
        super().train(mode)
        if self.batch_norm != "train":
            freeze_batch_norm(self, affine=self.batch_norm == "fixed")
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Class map before its mean is taken: (B, 3, H, W) -> (B, C, h, w)."""
        return self.classifier(self.backbone(image)[-1])

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> list[str]:
        """Load a checkpoint of IRN's CAM network, which names its backbone several times.

        Args:
            state_dict: entries ``resnet50.*`` (torchvision's names) and ``classifier.weight`` (C, N, 1, 1); a
                leading ``module.`` is dropped. Further names of the same tensors are passed over.

        Returns:
            Names of entries that were left out.

        Raises:
            ConfigError: entries are missing.

        Source: names from the authors' code of Ahn et al., CVPR 2019.
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        library = {key[9:]: value for key, value in plain.items() if key.startswith("resnet50.")}
        known, _ = self.backbone.rename_library_keys(library)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        if "classifier.weight" in plain:
            renamed["classifier.weight"] = plain["classifier.weight"]
        result = self.load_state_dict(renamed, strict=False)
        missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
        if missing:
            raise ConfigError(
                f"expected IRN's CAM weights for {self.backbone.name}, missing {missing[:3]}: give the state "
                "dict of the same network and class count"
            )
        return [key for key in plain if not key.startswith("resnet50.") and key != "classifier.weight"]

    def extract(self, image: Tensor) -> Tensor:
        """Features before the last level: (B, 3, H, W) -> (B, N, h, w)."""
        for level in self.backbone.levels[:-1]:
            image = level(image)
        return image

    def classify(self, features: Tensor) -> Tensor:
        """Class map of `extract`'s features: (B, N, h, w) -> (B, C, h', w')."""
        return self.classifier(self.backbone.levels[-1](features))

    def seed_maps(self, image: Tensor) -> Tensor:
        """Activation map of every class: (B, 3, H, W) -> (B, C, h, w) >= 0, in logit units."""
        return self(image).relu()

    def logits(self, image: Tensor) -> Tensor:
        """Logits of an image batch: (B, 3, H, W) -> (B, C)."""
        return self(image).mean(dim=(2, 3))

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Multi-label soft-margin loss of a batch for `wsss.training.train_network`."""
        return {"loss": F.multilabel_soft_margin_loss(self.logits(batch["image"]), batch["tags"])}
