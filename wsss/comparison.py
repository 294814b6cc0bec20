"""What published networks reach of full supervision; computed where it is shown, never stored."""

from collections.abc import Mapping
from typing import Any

FULL = "full supervision"
# Networks are compared only where all of these agree.
_COMPARED = ("split", "classes", "network", "initialisation", "iterations", "scales", "flip", "weights")


def shares_of_full_supervision(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """How much of full supervision each network that learned from masks reaches.

    Args:
        manifests: name of a published folder -> its manifest.

    Returns:
        Name of a folder -> name of the fully supervised one -> mIoU / mIoU, for those of the same network,
        initialisation, iterations and inference on the same split.
    """
    scored = {
        name: manifest
        for name, manifest in manifests.items()
        if manifest.get("kind") == "segment" and manifest.get("figures", {}).get("mIoU")
    }
    full = {name: one for name, one in scored.items() if one.get("supervision") == FULL}
    shares: dict[str, dict[str, float]] = {}
    for name, manifest in scored.items():
        for yardstick, other in full.items():
            same = all(manifest.get(key) == other.get(key) for key in _COMPARED)
            if name not in full and same:
                share = manifest["figures"]["mIoU"] / other["figures"]["mIoU"]
                shares.setdefault(name, {})[yardstick] = round(share, 4)
    return shares
