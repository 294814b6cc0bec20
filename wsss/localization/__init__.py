"""Metrics of localisation: one class an image, boxes or masks as truth, score maps as answer."""

from wsss.localization.accuracy import (
    IOUS,
    BoxAccuracy,
    CenterBoxAccuracy,
    MaxBoxAccuracy,
    class_rank,
)
from wsss.localization.boxes import (
    box_iou,
    center_boxes,
    center_crop_boxes,
    largest_component_box,
    resize_boxes,
)
from wsss.localization.contours import boxes_at_threshold
from wsss.localization.maps import GRID, normalize_score_map, normalize_then_enlarge
from wsss.localization.pixels import PixelScores

__all__ = [
    "GRID",
    "IOUS",
    "BoxAccuracy",
    "CenterBoxAccuracy",
    "MaxBoxAccuracy",
    "PixelScores",
    "box_iou",
    "boxes_at_threshold",
    "center_boxes",
    "center_crop_boxes",
    "class_rank",
    "largest_component_box",
    "normalize_score_map",
    "normalize_then_enlarge",
    "resize_boxes",
]
