"""Backbones cut into five levels, so that every stage can attach its heads where it needs them."""

from wsss.backbones.build import build_backbone
from wsss.backbones.cut import LEVELS, OUTPUT_STRIDES, Backbone, BatchNormMode, Cut, freeze_batch_norm
from wsss.backbones.downloads import missing_download
from wsss.backbones.initial import load_backbone, weights_sha256
from wsss.backbones.library import BUILT_IN
from wsss.backbones.timm_names import supported_timm_names

__all__ = [
    "BUILT_IN",
    "LEVELS",
    "OUTPUT_STRIDES",
    "Backbone",
    "BatchNormMode",
    "Cut",
    "build_backbone",
    "freeze_batch_norm",
    "load_backbone",
    "missing_download",
    "supported_timm_names",
    "weights_sha256",
]
