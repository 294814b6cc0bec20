"""A threshold and who chose it: what a published figure rests on."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A value that parts foreground from background, and where it came from.

    Attributes:
        value: the threshold, in [0, 1]; None where each map or image has its own.
        chosen_by: "preset FILE", "command line", "oracle, SPLIT" (ground truth chose it) or a rule's name.

    >>> str(Threshold(0.25, "preset _base_/refine.py"))
    '0.25 (preset _base_/refine.py)'
    """

    value: float | None
    chosen_by: str

    def __str__(self) -> str:
        return f"{'each its own' if self.value is None else self.value} ({self.chosen_by})"

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, content: Any) -> "Threshold | None":
        """What `as_json` gave; None where it is anything else, as in manifests of older versions."""
        if isinstance(content, Mapping) and set(content) == {"value", "chosen_by"}:
            return cls(content["value"], str(content["chosen_by"]))
        return None


def oracle_threshold(value: float, split: str) -> Threshold:
    """A threshold that ground truth of a split chose."""
    return Threshold(value, f"oracle, {split}")


# Each map has the one with the smallest L_bas + area of what is above it.
IMAGE_SPECIFIC = Threshold(None, "image-specific: L_bas + area, without ground truth")

# As a setting in place of a number: the tags and the images choose it, no ground truth does.
TAGS = "tags"
BY_TAGS = "tags: least L_bas + area over the images, without ground truth"
