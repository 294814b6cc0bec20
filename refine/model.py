"""IRNet: class boundaries and displacement fields from a frozen classification network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refine.losses import affinity_displacement_loss, affinity_loss
from wsss.artifacts import STRIDE
from wsss.backbones import build_backbone
from wsss.errors import ConfigError

# Stride of the two outputs, in pixels of the image.
# Only checkpoints of the authors have it.
AUTHORS_KEY = "fc_edge1.0.weight"
_EDGE_CHANNELS = 32
_EDGE_GROUPS = 4
_DISPLACEMENT_CHANNELS = (64, 128, 256, 256, 256)
_DISPLACEMENT_GROUPS = (8, 16, 16, 16, 16)


class IRNet(nn.Module):
    """Edge and displacement branches on the five levels of a frozen backbone.

    The channel plan is the authors' for ResNet50 (levels of 64, 256, 512, 1024, 2048 channels at strides 4,
    4, 8, 16, 16). Other backbones get the same branches; a level finer than stride 4 (mobilenets: 2) is
    averaged to stride 4.

    Attributes:
        backbone: frozen, its batch norm fixed.
        mean_shift: (2,) mean displacement over the training images, taken off in evaluation mode.
        radius: of the pairs in the loss, in pixels of the stride-4 grid.

    Source: Ahn et al., CVPR 2019, section 4; sizes from the authors' code.
    """

    mean_shift: Tensor

    def __init__(
        self,
        backbone: str = "resnet50",
        *,
        pretrained: str | Path | None = None,
        radius: float = 10,
        displacement: bool = True,
        output_stride: int = 16,
    ) -> None:
        """Build the network.

        Args:
            backbone: name for `wsss.backbones.build_backbone`.
            pretrained: weights of the backbone, as there.
            radius: of the pairs in the loss, in pixels of the stride-4 grid.
            displacement: build and train the displacement branch. The backbone is frozen, so the edges, and
                with them the masks, are the same without it; it takes three quarters of a training step.
            output_stride: of the backbone's last level.
        """
        super().__init__()
        self.backbone = build_backbone(backbone, pretrained=pretrained, output_stride=output_stride)
        self.backbone.requires_grad_(False)
        self.radius = radius
        self.edge = EdgeBranch(self.backbone.channels, self.backbone.strides)
        self.displacement = (
            DisplacementBranch(self.backbone.channels, self.backbone.strides) if displacement else None
        )
        self.register_buffer("mean_shift", torch.zeros(2))
        self.train()

    def train(self, mode: bool = True) -> IRNet:
        """Switch the branches' mode; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Edge logits and displacements.

        Args:
            image: (B, 3, H, W) float, normalized with the ImageNet mean and deviation.

        Raises:
            ValueError: the network was built without a displacement branch.

        Returns:
            edge_logit (B, 1, h, w) and displacement (B, 2, h, w) as (dy, dx), with h = (H-1)//4+1, w =
            (W-1)//4+1. In evaluation mode the displacement is free of its mean over the training images.
        """
        if self.displacement is None:
            raise ValueError("expected a network with displacement=True, got one without: call edge_logit")
        features = self._features(image)
        displacement = _on_the_grid_of(image, self.displacement(features))
        if not self.training:
            displacement = displacement - self.mean_shift[:, None, None]
        return _on_the_grid_of(image, self.edge(features)), displacement

    def edge_logit(self, image: Tensor) -> Tensor:
        """Edge logits alone, all that the random walk needs: (B, 3, H, W) -> (B, 1, h, w)."""
        return _on_the_grid_of(image, self.edge(self._features(image)))

    def training_losses(self, batch: dict[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Losses of a batch for `wsss.training.train_network`.

        Args:
            batch: ``image`` (B, 3, H, W) float normalized, ``label`` (B, h, w) integer at stride 4.
            step: not used.
        """
        if self.displacement is None:
            terms = affinity_loss(self.edge_logit(batch["image"]), batch["label"], radius=self.radius)
            return {"loss": (terms["positive"] + terms["negative"]) / 2} | terms
        edge_logit, displacement = self(batch["image"])
        terms = affinity_displacement_loss(edge_logit, displacement, batch["label"], radius=self.radius)
        return {"loss": terms.pop("total")} | terms

    def load_reference(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load a checkpoint of the authors' IRN, trained on ResNet50.

        It names its backbone and its branches several times and holds tables of their loss; what is not
        needed is passed over. Without a displacement branch that branch is passed over too.

        Args:
            state_dict: entries ``resnet50.*`` (torchvision's names), ``fc_edge1.0.weight`` to
                ``fc_edge6.bias``, ``fc_dp1.0.weight`` to ``fc_dp7.3.weight`` and
                ``mean_shift.running_mean``; a leading ``module.`` is dropped.

        Raises:
            ConfigError: entries are missing or of other shapes.

        Source: names from the authors' code of Ahn et al., CVPR 2019.
        """
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        library = {key[9:]: value for key, value in plain.items() if key.startswith("resnet50.")}
        known, _ = self.backbone.rename_library_keys(library)
        renamed = {f"backbone.{key}": value for key, value in known.items()}
        for theirs, ours in _authors_names().items():
            renamed |= {
                f"{ours}.{key.removeprefix(theirs + '.')}": value
                for key, value in plain.items()
                if key.startswith(f"{theirs}.")
            }
        if "mean_shift.running_mean" in plain:
            renamed["mean_shift"] = plain["mean_shift.running_mean"]
        self.load_own(renamed)

    def load_own(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load a checkpoint under our names; a network without a displacement branch leaves it out.

        Raises:
            ConfigError: entries are missing, unknown or of other shapes.
        """
        own = self.state_dict()
        given = {
            key: value
            for key, value in state_dict.items()
            if self.displacement is not None or not key.startswith("displacement.")
        }
        missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
        unknown = [key for key in given if key not in own]
        other = [key for key, value in given.items() if key in own and value.shape != own[key].shape]
        if missing or unknown or other:
            raise ConfigError(
                f"expected an IRNet on {self.backbone.name}, got a state dict with missing {missing[:3]}, "
                f"unknown {unknown[:3]}, other shapes {other[:3]}: correct 'model.backbone', or give its file"
            )
        self.load_state_dict(given, strict=False)

    def _features(self, image: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self.backbone(image)


def _on_the_grid_of(image: Tensor, maps: Tensor) -> Tensor:
    """Cut maps at stride 4 to those of an image: a backbone without a level at it gives more cells."""
    height, width = ((side - 1) // STRIDE + 1 for side in image.shape[2:])
    return maps[..., :height, :width]


def _authors_names() -> dict[str, str]:
    """The authors' modules -> ours."""
    names = {f"fc_edge{level + 1}": f"edge.levels.{level}" for level in range(5)}
    names |= {f"fc_dp{level + 1}": f"displacement.levels.{level}" for level in range(5)}
    names |= {"fc_edge6": "edge.logit", "fc_dp6": "displacement.deep"}
    return names | {
        "fc_dp7.0": "displacement.joined.0",
        "fc_dp7.1": "displacement.joined.1",
        "fc_dp7.3": "displacement.field",
    }


class EdgeBranch(nn.Module):
    """Edge logit from all five levels, 32 channels each."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            _level(level_channels, _EDGE_CHANNELS, groups=_EDGE_GROUPS, stride=stride, target=STRIDE)
            for level_channels, stride in zip(channels, strides, strict=True)
        )
        self.logit = nn.Conv2d(_EDGE_CHANNELS * len(self.levels), 1, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features of five levels -> (B, 1, h, w) at stride 4."""
        maps = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        return self.logit(torch.cat(_crop_to_smallest(maps), dim=1))


class DisplacementBranch(nn.Module):
    """Displacement field: the three deep levels meet at stride 8 and join the others at stride 4."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        targets = (STRIDE, STRIDE, 2 * STRIDE, 2 * STRIDE, 2 * STRIDE)
        plan = zip(channels, _DISPLACEMENT_CHANNELS, _DISPLACEMENT_GROUPS, strides, targets, strict=True)
        self.levels = nn.ModuleList(
            _level(level_channels, out, groups=groups, stride=stride, target=target)
            for level_channels, out, groups, stride, target in plan
        )
        self.deep = _level(sum(_DISPLACEMENT_CHANNELS[2:]), 256, groups=16, stride=2 * STRIDE, target=STRIDE)
        joined = sum(_DISPLACEMENT_CHANNELS[:2]) + 256
        self.joined = _level(joined, 256, groups=16, stride=STRIDE, target=STRIDE)
        self.field = nn.Conv2d(256, 2, 1, bias=False)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features of five levels -> (B, 2, h, w) at stride 4, (dy, dx) in pixels of that grid."""
        maps = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        deep = self.deep(torch.cat(_crop_to_smallest(maps[2:]), dim=1))
        return self.field(self.joined(torch.cat(_crop_to_smallest([*maps[:2], deep]), dim=1)))


def _level(channels: int, out: int, *, groups: int, stride: int, target: int) -> nn.Sequential:
    """1x1 convolution, group norm and ReLU that bring a level from ``stride`` to ``target``."""
    coarser, finer = stride // target, target // stride
    # The average before and the upsampling after: the convolution runs where the pixels are fewer.
    before = [nn.AvgPool2d(finer, ceil_mode=True)] if finer > 1 else []
    after = [nn.Upsample(scale_factor=coarser, mode="bilinear", align_corners=False)] if coarser > 1 else []
    convolution = nn.Conv2d(channels, out, 1, bias=False)
    return nn.Sequential(*before, convolution, nn.GroupNorm(groups, out), *after, nn.ReLU(inplace=True))


def _crop_to_smallest(maps: Sequence[Tensor]) -> list[Tensor]:
    """Cut maps to their common size: upsampling makes sizes that the strides do not divide too large."""
    height, width = (min(one.shape[axis] for one in maps) for axis in (2, 3))
    return [one[..., :height, :width] for one in maps]


@torch.no_grad()
def edge_of_image(network: IRNet, image: Tensor, *, pad_to: int | None = None) -> Tensor:
    """Edge probability from an image and its mirror image.

    Args:
        network: in evaluation mode.
        image: (3, H, W) float, normalized.
        pad_to: shorter sides are padded with zeros, below and to the right, to this many pixels first; what
            the network says of the padding is cut off. The normalisation over groups sees it all the same, so
            the edges are others. None: no padding.

    Returns:
        (1, h, w) float in [0, 1]: the sigmoid of the mean of both logits, at stride 4.

    Source: the authors' code of Ahn et al., CVPR 2019 pads to 512; larger images are cut by it, and are left
        as they are here.
    """
    both = torch.stack([image, image.flip(2)])
    padding = [max((pad_to or 0) - side, 0) for side in image.shape[1:]]
    logits = network.edge_logit(F.pad(both, (0, padding[1], 0, padding[0])))
    logits = _on_the_grid_of(both, logits)
    # The mirrored grid starts at the other side, so sizes that 4 does not divide are off by part of a cell;
    # resizing would blur the edges instead.
    return torch.sigmoid((logits[0] + logits[1].flip(2)) / 2)
