"""ORNet's first stage: a generator on low-level features, trained together with a classifier.

Source: Xie et al., ICCV 2021, and the authors' code.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seeds.losses import full_precision, multi_label_classification_loss
from wsss.backbones import Backbone, build_backbone
from wsss.errors import ConfigError

STRIDE = 4
_GENERATOR_NAMES = {
    **{f"att_layer4.down_{number + 1}.1.UConv.": f"down.{number}." for number in range(3)},
    **{f"att_layer4.up_{number + 1}.conv.UConv.": f"up.{number}." for number in range(3)},
    "att_conv2.": "auxiliary.",
    "att_conv3.": "attention.",
    "bn_att3.": "norm.",
}


class LowLevelGenerator(nn.Module):
    """A U-Net from low-level features to one map.

    Attributes:
        down: three blocks, each halving the grid.
        up: three blocks, each joining the grid above it.
        auxiliary: 1x1 convolution to class maps, no bias.
        attention: 3x3 convolution to the map, no bias; `norm` and a sigmoid follow.
    """

    def __init__(
        self, num_classes: int, *, in_channels: int = 64, channels: tuple[int, int, int] = (128, 256, 512)
    ) -> None:
        """Build the generator.

        Args:
            num_classes: C, without background; also the channels of the last block.
            in_channels: of the low-level feature.
            channels: of the three lower grids; those of the code are the default.
        """
        super().__init__()
        first, second, third = channels
        joined = (first + second) // 2
        self.down = nn.ModuleList([_block(in_channels, first), _block(first, second), _block(second, third)])
        self.up = nn.ModuleList(
            [
                _block(second + third, second),
                _block(first + second, joined),
                _block(in_channels + joined, num_classes),
            ]
        )
        self.auxiliary = nn.Conv2d(num_classes, num_classes, 1, bias=False)
        self.attention = nn.Conv2d(num_classes, 1, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, low: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of low-level features.

        Args:
            low: (B, in_channels, h, w) float, h and w at least 8; (B, 64, 56, 56) for images of 224.

        Returns:
            (feature (B, C, h, w), attention (B, 1, h, w) in (0, 1), auxiliary logits (B, C)).
        """
        skips = [low]
        for block in self.down:
            skips.append(block(F.max_pool2d(skips[-1], 2)))
        feature = skips.pop()
        for block in self.up:
            skip = skips.pop()
            raised = F.interpolate(feature, skip.shape[2:], mode="bilinear", align_corners=False)
            feature = block(torch.cat([skip, raised], dim=1))
        attention = full_precision(self.norm(self.attention(feature))).sigmoid()
        return feature, attention, self.auxiliary(feature).mean(dim=(2, 3))

    def refined(self) -> list[nn.Module]:
        """The layers that the fine stage trains."""
        return [self.up[1], self.up[2], self.attention, self.norm]

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load weights under the authors' names.

        Args:
            state_dict: ``att_layer4.down_1.1.UConv.0.weight`` ..., ``att_conv2``, ``att_conv3``, ``bn_att3``;
                a leading ``module.`` is dropped.

        Raises:
            ConfigError: entries are missing, unknown or of another shape.
        """
        renamed = {_generator_key(key.removeprefix("module.")): value for key, value in state_dict.items()}
        load_exactly(self, renamed, "the authors' ORNet generator weights")


class CoarseModel(nn.Module):
    """Stage one: a generator on low-level features and a classifier of the features that its map lets pass.

    Attributes:
        backbone: the levels up to the first of stride 4 give the low-level feature, the others classify.
        generator: gives the map.
        classifier: linear, on the mean of the last level.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        backbone: str = "resnet50",
        pretrained: str | Path | None = None,
        output_stride: int = 32,
        channels: tuple[int, int, int] = (128, 256, 512),
    ) -> None:
        """Build the model.

        Args:
            num_classes: C, without background.
            backbone: name for `wsss.backbones.build_backbone`; "resnet50" is the code's, "vgg16" the paper's.
            pretrained: as in `build_backbone`.
            output_stride: of the backbone; 32 in the code.
            channels: of the generator, as there.
        """
        super().__init__()
        self.backbone: Backbone = build_backbone(backbone, pretrained=pretrained, output_stride=output_stride)
        self._cut = self.backbone.strides.index(STRIDE)
        self.generator = LowLevelGenerator(
            num_classes, in_channels=self.backbone.channels[self._cut], channels=channels
        )
        self.classifier = nn.Linear(self.backbone.channels[-1], num_classes)

    def extract(self, image: Tensor) -> Tensor:
        """Low-level feature: (B, 3, H, W) normalized -> (B, N, H / 4, W / 4)."""
        for level in self.backbone.levels[: self._cut + 1]:
            image = level(image)
        return image

    def classify(self, masked: Tensor) -> Tensor:
        """Logits of a low-level feature, masked or not: (B, N, h, w) -> (B, C)."""
        for level in self.backbone.levels[self._cut + 1 :]:
            masked = level(masked)
        return self.classifier(masked.mean(dim=(2, 3)))

    def logits(self, image: Tensor) -> Tensor:
        """Logits of what the map lets pass: (B, 3, H, W) normalized -> (B, C)."""
        low = self.extract(image)
        return self.classify(low * self.generator(low)[1])

    def seed_maps(self, image: Tensor) -> Tensor:
        """The class-agnostic map p: (B, 3, H, W) normalized -> (B, 1, H / 4, W / 4) in (0, 1)."""
        attention: Tensor = self.generator(self.extract(image))[1]
        return attention

    def training_losses(self, batch: Mapping[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Cross entropy of the masked feature and of the auxiliary logits, for `train_network`.

        Args:
            batch: ``image`` (B, 3, 224, 224) normalized, ``tags`` (B, C) multi-hot.
            step: not used.

        Returns:
            ``loss``, and its parts ``classification`` and ``auxiliary`` and the map's mean ``mean_map``
            without gradient; all ().
        """
        low = self.extract(batch["image"])
        _, attention, auxiliary_logit = self.generator(low)
        logit = self.classify(low * attention)
        classification = multi_label_classification_loss(logit, batch["tags"])
        auxiliary = multi_label_classification_loss(auxiliary_logit, batch["tags"])
        return {
            "loss": classification + auxiliary,
            "classification": classification.detach(),
            "auxiliary": auxiliary.detach(),
            "mean_map": attention.detach().mean(),
        }

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load a whole coarse model under the authors' names.

        Args:
            state_dict: torchvision's names of the backbone, ``fc``, and the generator's as in
                `LowLevelGenerator.load_reference`; a leading ``module.`` is dropped.

        Raises:
            ConfigError: entries are missing, unknown or of another shape.
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        known, rest = self.backbone.rename_library_keys(plain)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        for key, value in rest.items():
            name = f"generator.{_generator_key(key)}"
            if key.startswith("fc."):
                name = f"classifier.{key.removeprefix('fc.')}"
            renamed[name] = value
        load_exactly(self, renamed, f"the authors' ORNet weights for {self.backbone.name}")


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions with batch norm; positions of the layers are the authors'."""
    layers: list[nn.Module] = []
    for inputs in (in_channels, out_channels):
        layers.append(nn.Conv2d(inputs, out_channels, 3, padding=1, bias=False))
        layers.append(nn.BatchNorm2d(out_channels, momentum=0.01))
        layers.append(nn.LeakyReLU(0.01))
    return nn.Sequential(*layers)


def _generator_key(key: str) -> str:
    """The authors' name of a generator's entry as ours; other names stay as they are."""
    for theirs, ours in _GENERATOR_NAMES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key


def load_exactly(module: nn.Module, state_dict: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict that has to name everything but the counts of batches, and nothing else."""
    own = module.state_dict()
    missing = [key for key in own if key not in state_dict and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state_dict if key not in own]
    other = [key for key in state_dict if key in own and state_dict[key].shape != own[key].shape]
    if missing or unknown or other:
        raise ConfigError(
            f"expected {what}, missing {missing[:3]}, unknown {unknown[:3]}, of another shape {other[:3]}: "
            "give the state dict of the same network and class count"
        )
    module.load_state_dict(dict(state_dict), strict=False)
