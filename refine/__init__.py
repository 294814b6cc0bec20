"""Stage two: soft seeds are refined into pixel masks by learned edges and a random walk (IRN)."""

import wsss  # noqa: F401  (applies the compatibility layer before anything imports torchvision or mmcv)
