"""FAM: a foreground map from a small memory, and a classifier on parts of the foreground.

Source: Meng et al., ICCV 2021. The authors published no code. What follows is our reading of the paper; the
entries of `Assumptions` can be set otherwise, the rest is fixed:

- ``normalization``: equation 1 divides the keys' scores by their sum, which may be 0 or negative; we read a
  softmax. "printed" is the equation as it stands, with sums nearer to 0 than 1e-6 taken as 1e-6.
- ``pool_from``: equation 7 pools the parts from the features themselves ("input"), not from those of the
  foreground. A map of 0 then leaves the classifier all it needs: only the gradient through the parts' own
  maps holds the foreground up. `FAM.training_losses` gives ``mean_map`` to watch that; "foreground" pools
  from what the map lets pass.
- ``part_kernel``: the kernel of the parts' convolution is not given: 3 x 3 with bias.
- ``memory_std``: how keys and values start is not given: N(0, 1 / sqrt(their length)).
- ``output_stride``: the backbone's stride is not given: 16, as in BAS (14 x 14 of 224).
- The query is one vector per image: the mean over pixels of the encoder's 1 x 1 convolution.
- ``memory``: without it, three 1 x 1 convolutions with ReLU between them, C to C/16 to C/16 to 1.
- The importance of a part is a softmax over the parts of one linear layer, shared by them.
- The paper calls its cross entropy class-balanced; its equation 10 is the plain one, and so is ours. Several
  tags per image: `seeds.losses.multi_label_classification_loss`, which is the same for one tag.
- New layers start from Xavier's uniform distribution with biases 0, as in BAS.
- Optimizer, rates and epochs are not given: use BAS's of the same data set (new layers are `FAM.heads`).
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seeds.losses import full_precision, multi_label_classification_loss
from wsss.backbones import Backbone, build_backbone
from wsss.errors import ConfigError

Normalization = Literal["softmax", "printed"]
PoolFrom = Literal["input", "foreground"]
# Channels of queries and keys: those of the features, divided by this (paper).
REDUCTION = 16
_SMALLEST_SUM = 1e-6


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """What the paper leaves open or prints otherwise, and its ablations; see the module's docstring.

    Attributes:
        normalization: of the keys' scores: "softmax", or "printed".
        pool_from: where parts are pooled: "input" (as printed) or "foreground".
        memory: False: three 1x1 convolutions give the map.
        num_keys: N, keys and values of the memory; 3 in the paper.
        num_parts: K; 5 in the paper.
        part_kernel: side of the parts' convolution, odd.
        memory_std: deviation of keys and values at the start; None: 1 / sqrt(their length).
        output_stride: of the backbone, 8, 16 or 32.
    """

    normalization: Normalization = "softmax"
    pool_from: PoolFrom = "input"
    memory: bool = True
    num_keys: int = 3
    num_parts: int = 5
    part_kernel: int = 3
    memory_std: float | None = None
    output_stride: int = 16

    def __post_init__(self) -> None:
        """Check what the types do not.

        Raises:
            ConfigError: a value is none of the possible ones.
        """
        for name, choices in (("normalization", get_args(Normalization)), ("pool_from", get_args(PoolFrom))):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"expected {name} out of {', '.join(choices)}, got {getattr(self, name)!r}: "
                    f"correct '{name}'"
                )
        if self.num_keys < 1:
            raise ConfigError(f"expected num_keys >= 1, got {self.num_keys}: correct 'num_keys'")
        if self.num_parts < 2:
            raise ConfigError(f"expected num_parts >= 2, got {self.num_parts}: correct 'num_parts'")
        if self.part_kernel < 1 or self.part_kernel % 2 == 0:
            raise ConfigError(f"expected an odd part_kernel, got {self.part_kernel}: correct 'part_kernel'")
        if self.memory_std is not None and self.memory_std <= 0:
            raise ConfigError(f"expected memory_std > 0 or None, got {self.memory_std}: correct 'memory_std'")


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the terms beside the classification (which has 1).

    Attributes:
        sparsity: of the map's mean.
        diversity: of the parts' likeness.
    """

    sparsity: float = 0.04
    diversity: float = 0.01


class FAMOutput(NamedTuple):
    """What a forward pass gives.

    Attributes:
        logit: (B, C).
        foreground: (B, 1, h, w) in (0, 1), the class-agnostic map M.
        parts: (B, K, N), the pooled features of each part.
    """

    logit: Tensor
    foreground: Tensor
    parts: Tensor


class ForegroundMemory(nn.Module):
    """Weights for the features of an image, read from a memory by a query of the same image.

    Attributes:
        encoder: 1x1 convolution to the query's channels.
        keys: (N, C / 16).
        values: (N, C).
    """

    def __init__(
        self, channels: int, *, num_keys: int, normalization: Normalization, std: float | None = None
    ) -> None:
        """Build the memory.

        Args:
            channels: C of the features.
            num_keys: N.
            normalization: of the scores.
            std: of keys and values at the start; None: 1 / sqrt(their length).
        """
        super().__init__()
        self.normalization = normalization
        self.encoder = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.keys = nn.Parameter(_drawn(num_keys, channels // REDUCTION, std))
        self.values = nn.Parameter(_drawn(num_keys, channels, std))

    def forward(self, features: Tensor) -> Tensor:
        """Scores of the foreground before their sigmoid: (B, C, h, w) -> (B, 1, h, w)."""
        query = self.encoder(features).mean(dim=(2, 3))
        scores = key_shares(query @ self.keys.T / math.sqrt(query.shape[1]), self.normalization)
        weights = scores @ self.values
        return (features * weights[:, :, None, None]).sum(dim=1, keepdim=True)


class FAM(nn.Module):
    """Foreground map and part-aware classifier on one backbone.

    Attributes:
        backbone: its last level gives the features X (B, N, h, w).
        scorer: the memory, or the convolutions in its place; a sigmoid of it is the map M.
        parts: convolution of X * M to the maps of K parts; a sigmoid follows.
        importance: linear, from a part's feature to its score among the parts.
        classifier: linear, on the weighted sum of the parts' features.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        backbone: str = "vgg16",
        pretrained: str | Path | None = None,
        assumptions: Assumptions = Assumptions(),
        weights: LossWeights = LossWeights(),
    ) -> None:
        """Build the network.

        Args:
            num_classes: without background.
            backbone: name for `wsss.backbones.build_backbone`; vgg16, mobilenetv1_100, resnet50 and
                inception_v3 are in the paper.
            pretrained: as in `build_backbone`.
            assumptions: what the paper leaves open.
            weights: of the loss terms.

        Raises:
            ConfigError: unknown backbone or stride, or weights that do not fit.
        """
        super().__init__()
        self.assumptions = assumptions
        self.weights = weights
        self.backbone: Backbone = build_backbone(
            backbone, pretrained=pretrained, output_stride=assumptions.output_stride
        )
        channels = self.backbone.channels[-1]
        kernel = assumptions.part_kernel
        self.scorer: nn.Module = (
            ForegroundMemory(
                channels,
                num_keys=assumptions.num_keys,
                normalization=assumptions.normalization,
                std=assumptions.memory_std,
            )
            if assumptions.memory
            else _plain_scorer(channels)
        )
        self.parts = nn.Conv2d(channels, assumptions.num_parts, kernel, padding=kernel // 2)
        self.importance = nn.Linear(channels, 1)
        self.classifier = nn.Linear(channels, num_classes)
        for head in self.heads():
            head.apply(_initialize)

    def heads(self) -> list[nn.Module]:
        """The layers that no pretrained weights exist for."""
        return [self.scorer, self.parts, self.importance, self.classifier]

    def forward(self, image: Tensor) -> FAMOutput:
        """Logits, map and parts of an image batch (B, 3, H, W), normalized."""
        features = self.backbone(image)[-1]
        foreground = full_precision(self.scorer(features)).sigmoid()
        seen = features * foreground.to(features.dtype)
        part_maps = full_precision(self.parts(seen)).sigmoid()
        parts = pool_parts(features if self.assumptions.pool_from == "input" else seen, part_maps)
        shares = self.importance(parts).softmax(dim=1)
        return FAMOutput(self.classifier((shares * parts).sum(dim=1)), foreground, parts)

    def logits(self, image: Tensor) -> Tensor:
        """Logits of a batch: (B, 3, H, W) normalized -> (B, C)."""
        return self(image).logit

    def seed_maps(self, image: Tensor) -> Tensor:
        """The class-agnostic map M: (B, 3, H, W) normalized -> (B, 1, h, w) in (0, 1); no class is asked."""
        return full_precision(self.scorer(self.backbone(image)[-1])).sigmoid()

    def losses(self, image: Tensor, tags: Tensor) -> dict[str, Tensor]:
        """All terms of one training step, unweighted.

        Args:
            image: (B, 3, H, W) float, normalized.
            tags: (B, C), 1 where the class is present.

        Returns:
            ``classification``, ``sparsity`` and ``diversity`` as () floats, and `forward`'s ``logit``,
            ``foreground`` and ``parts``.
        """
        output = self(image)
        return {
            "classification": multi_label_classification_loss(output.logit, tags),
            "sparsity": sparsity_loss(output.foreground),
            "diversity": diversity_loss(output.parts),
            **output._asdict(),
        }

    def training_losses(self, batch: Mapping[str, Tensor], *, step: int) -> dict[str, Tensor]:
        """Weighted sum for `wsss.training.train_network`, and its terms.

        Args:
            batch: ``image`` (B, 3, 224, 224) normalized, ``tags`` (B, C) multi-hot.
            step: not used.

        Returns:
            ``loss``, and without gradient ``classification``, ``mean_map`` (which is the sparsity) and
            ``diversity`` (unweighted); all ().
        """
        terms = self.losses(batch["image"], batch["tags"])
        loss = (
            terms["classification"]
            + self.weights.sparsity * terms["sparsity"]
            + self.weights.diversity * terms["diversity"]
        )
        return {
            "loss": loss,
            "classification": terms["classification"].detach(),
            "mean_map": terms["sparsity"].detach(),
            "diversity": terms["diversity"].detach(),
        }


def key_shares(scores: Tensor, normalization: Normalization) -> Tensor:
    """Share of each key in the answer.

    Args:
        scores: (B, N) float, of any sign.
        normalization: "softmax"; "printed" divides by the sum over the keys (equation 1), whose size is kept
            at 1e-6 or more; such shares may be negative and far above 1.

    Returns:
        (B, N) float that sums to 1 (but for sums nearer to 0 than 1e-6).
    """
    if normalization == "softmax":
        return scores.softmax(dim=1)
    total = scores.sum(dim=1, keepdim=True)
    bound = torch.full_like(total, _SMALLEST_SUM)
    return scores / torch.where(total.abs() < bound, torch.where(total < 0, -bound, bound), total)


def pool_parts(features: Tensor, part_maps: Tensor) -> Tensor:
    """Features of each part: mean over pixels (equation 7), not divided by the part's area.

    Args:
        features: (B, N, h, w) float.
        part_maps: (B, K, h, w) float.

    Returns:
        (B, K, N) float.
    """
    pixels = features.shape[2] * features.shape[3]
    return part_maps.flatten(2) @ features.flatten(2).transpose(1, 2) / pixels


def sparsity_loss(foreground: Tensor) -> Tensor:
    """Mean of a map: (B, 1, h, w) in [0, 1] -> () in [0, 1]."""
    return foreground.abs().mean()


def diversity_loss(parts: Tensor) -> Tensor:
    """Mean cosine of two different parts of an image.

    Args:
        parts: (B, K, N) float, K at least 2.

    Returns:
        () float in [-1, 1], the mean over images and pairs; 0 for a part without features.

    Raises:
        ValueError: fewer than two parts.
    """
    count = parts.shape[1]
    if count < 2:
        raise ValueError(f"expected at least two parts, got {count}")
    # The norm's floor would be rounded to 0 in half precision.
    direction = F.normalize(parts.to(torch.promote_types(parts.dtype, torch.float32)), dim=2)
    # Parts are much alike at first, and what little tells them apart is lost in half precision.
    with torch.autocast(parts.device.type, enabled=False):
        cosines = direction @ direction.transpose(1, 2)
    # Row by row, each element of the diagonal comes first and the others up to the next one follow it.
    others = cosines.flatten(1)[:, :-1].unflatten(1, (count - 1, count + 1))[:, :, 1:]
    return others.reshape(-1).mean()


def _drawn(count: int, length: int, std: float | None) -> Tensor:
    return torch.randn(count, length) * (1 / math.sqrt(length) if std is None else std)


def _plain_scorer(channels: int) -> nn.Sequential:
    """What stands in the memory's place in the paper's ablation."""
    hidden = channels // REDUCTION
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, 1, 1),
    )


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
