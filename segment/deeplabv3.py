"""DeepLabV3's head as torchvision has it, for mmsegmentation, whose own head is another network."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor
from torchvision.models.segmentation.deeplabv3 import DeepLabHead


@MODELS.register_module()
class TorchvisionDeepLabV3Head(BaseDecodeHead):
    """torchvision's ``DeepLabHead``: five branches (one is the mean of the image), projected to 256.

    mmsegmentation's ``ASPPHead`` joins its branches by a 3x3 convolution, torchvision by a 1x1 and a 3x3 one,
    so weights of the one do not fit the other.

    Source: Chen et al., arXiv 1706.05587, section 3.3; layers and rates are torchvision's.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dilations: Sequence[int] = (12, 24, 36),
        channels: int = 256,
        **kwargs: Any,
    ) -> None:
        """Build the head.

        Args:
            in_channels: channels of the feature it reads.
            num_classes: number of labels C+1, with background: mmsegmentation's way of counting.
            dilations: rate of each dilated branch, in cells of the feature map.
            channels: of each branch; torchvision has 256 alone.
            kwargs: of mmsegmentation's ``BaseDecodeHead``.
        """
        kwargs.setdefault("loss_decode", {"type": "CrossEntropyLoss", "avg_non_ignore": True})
        super().__init__(in_channels, channels, num_classes=num_classes, init_cfg=None, **kwargs)
        # The base class makes a 1x1 classifier, which would be dead weight here.
        del self.conv_seg
        self.layers = DeepLabHead(in_channels, self.out_channels, tuple(dilations))

    def init_weights(self) -> None:
        """Keep the weights: they were drawn when the head was built."""

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits of all labels.

        Args:
            inputs: features of the backbone; the one at ``in_index`` is read.

        Returns:
            (B, C+1, h, w) logits at the stride of that feature.
        """
        logit: Tensor = self.layers(self._transform_inputs(inputs))
        return logit
