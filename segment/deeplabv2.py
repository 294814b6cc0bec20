"""DeepLabV2 for mmsegmentation, which has none: the head, and a segmentor that trains on several scales."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Atrous spatial pyramid pooling: parallel dilated 3x3 convolutions straight to classes, summed.

    Source: Chen et al., TPAMI 2018, section 3.2 ("ASPP-L": rates 6, 12, 18, 24). In the paper's VGG variant
        each branch has two more 1x1 layers; the ResNet variant, source of the published numbers, has not.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        channels: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the head.

        Args:
            in_channels: channels of the feature it reads.
            num_classes: number of labels C+1, with background: mmsegmentation's way of counting.
            dilations: rate of each branch, in cells of the feature map. A rate beyond the size of the map
                sees nothing but padding around its centre, so small inputs want smaller rates.
            channels: unused, there is no hidden layer; mmsegmentation's own heads ask for it.
            kwargs: of mmsegmentation's ``BaseDecodeHead``.
        """
        # Pixels to ignore must not thin the mean: masks hold many of them.
        kwargs.setdefault("loss_decode", {"type": "CrossEntropyLoss", "avg_non_ignore": True})
        super().__init__(
            in_channels, channels or in_channels, num_classes=num_classes, init_cfg=None, **kwargs
        )
        # The base class makes a 1x1 classifier, which would be dead weight here.
        del self.conv_seg
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )

    def init_weights(self) -> None:
        """Draw the weights from a normal distribution of deviation 0.01 and set the biases to 0.

        Source: the released DeepLabV2 networks' ``weight_filler``.
        """
        for name, parameter in self.convs.named_parameters():
            if name.endswith("weight"):
                nn.init.normal_(parameter, std=0.01)
            else:
                nn.init.zeros_(parameter)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits of all labels.

        Args:
            inputs: features of the backbone; the one at ``in_index`` is read.

        Returns:
            (B, C+1, h, w) logits at the stride of that feature.
        """
        feature = self._transform_inputs(inputs)
        logit: Tensor = self.convs[0](feature)
        for conv in self.convs[1:]:
            logit = logit + conv(feature)
        return logit


@MODELS.register_module()
class DeepLabV2(EncoderDecoder):
    """An encoder and decoder that in training sees every image at several scales.

    The logits of all scales and their pixel-wise maximum each get a cross entropy of their own, and the sum
    is minimized. Prediction is the plain network on one scale.

    Source: Chen et al., TPAMI 2018, section 4.1 (multi-scale inputs with max fusion).
    """

    def __init__(
        self,
        *args: Any,
        train_scales: Sequence[float] = (0.5, 0.75, 1.0),
        label_stride: int = 1,
        weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the segmentor.

        Args:
            args: of mmsegmentation's ``EncoderDecoder``.
            train_scales: scales of the image in training. With one alone there is no maximum: it trains as
                any mmsegmentation network does.
            label_stride: the loss is taken on labels thinned to every n-th pixel. The paper takes it at the
                stride of the logits (8), which also spares most of the loss's time; 1 keeps all pixels.
            weights: None: the stage reads this setting itself (`segment.given`).
            kwargs: of mmsegmentation's ``EncoderDecoder``.

        Raises:
            ValueError: no scale, one that is not positive, a label stride below 1, or weights.
        """
        if weights is not None:
            raise ValueError(
                f"expected model.weights=None for a network that mmsegmentation builds, got {weights!r}: "
                "set load_from, or call the stage segment"
            )
        super().__init__(*args, **kwargs)
        if not train_scales or min(train_scales) <= 0:
            raise ValueError(f"expected positive train_scales, got {list(train_scales)}")
        if label_stride < 1:
            raise ValueError(f"expected a label_stride of at least 1, got {label_stride}")
        self.train_scales = tuple(train_scales)
        self.label_stride = label_stride
        # Channels last are a fifth faster on CPUs, and tensor cores expect them. Set here, because DDP gives
        # wrong gradients where the layout changes after it wrapped the network.
        self.to(memory_format=torch.channels_last)

    def loss(self, inputs: Tensor, data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """Losses of one batch.

        Args:
            inputs: (B, 3, H, W) normalized images.
            data_samples: mmsegmentation's samples with labels (H, W) in 0..C or 255.

        Returns:
            A scalar ``decode.loss_scale_S`` for each training scale and ``decode.loss_max`` for the maximum.
        """
        label = torch.stack([sample.gt_sem_seg.data for sample in data_samples])[:, 0]
        label = thin_label(label, self.label_stride)
        logits = {f"scale_{scale}": self.scaled_logit(inputs, scale) for scale in self.train_scales}
        if len(logits) > 1:
            # The maximum over scales needs logits of one size: all are resized to the largest one.
            size = max((logit.shape[-2:] for logit in logits.values()), key=lambda shape: shape[0] * shape[1])
            resized = [_resize(logit, size) for logit in logits.values()]
            logits["max"] = torch.stack(resized).amax(dim=0)
        return {f"decode.loss_{name}": self._cross_entropy(logit, label) for name, logit in logits.items()}

    def scaled_logit(self, inputs: Tensor, scale: float) -> Tensor:
        """Logits of the images at one scale.

        Args:
            inputs: (B, 3, H, W) normalized images.
            scale: factor of the image's height and width.

        Returns:
            (B, C+1, h, w) logits at the network's stride of the scaled image.
        """
        if scale != 1:
            size = [max(round(side * scale), 1) for side in inputs.shape[-2:]]
            inputs = _resize(inputs, size)
        logit: Tensor = self.decode_head(self.extract_feat(inputs))
        return logit

    def _cross_entropy(self, logit: Tensor, label: Tensor) -> Tensor:
        head = self.decode_head
        criterion, ignored = head.loss_decode, head.ignore_index
        plain = isinstance(criterion, CrossEntropyLoss) and not (criterion.use_sigmoid or criterion.use_mask)
        counted = {}
        if plain and criterion.avg_non_ignore and criterion.class_weight is None:
            # The same number, but mmsegmentation reads it at once, for which a GPU would have to wait.
            counted["avg_factor"] = (label != ignored).sum()
        loss: Tensor = criterion(_resize(logit, label.shape[-2:]), label, ignore_index=ignored, **counted)
        return loss


def thin_label(label: Tensor, stride: int) -> Tensor:
    """Every n-th pixel of a label map, from the middle of each cell.

    Logits that are resized to it bilinearly are sampled at the same places where the stride divides the size;
    elsewhere they are off by part of a cell.

    Args:
        label: (B, H, W) integer.
        stride: side of a cell; 1 keeps all pixels.

    Returns:
        (B, ceil(H/stride), ceil(W/stride)), as a network of that stride sees the image.
    """
    height, width = label.shape[-2:]
    rows = torch.arange(0, height, stride, device=label.device) + stride // 2
    columns = torch.arange(0, width, stride, device=label.device) + stride // 2
    return label[:, rows.clamp(max=height - 1)][:, :, columns.clamp(max=width - 1)]


def _resize(values: Tensor, size: Sequence[int]) -> Tensor:
    if values.shape[-2:] == tuple(size):
        return values
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)
