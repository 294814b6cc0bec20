"""Stage three: a DeepLabV2 trained on masks through mmsegmentation, its predictions and their mIoU."""

import wsss  # noqa: F401  (puts the compatibility layer in place before mmseg is imported)
