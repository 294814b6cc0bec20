"""The artifact contract: what a stage publishes and how the next one reads it (docs/artifacts.md)."""

from wsss.artifacts.masks import IGNORE, read_mask, voc_palette, write_mask
from wsss.artifacts.published import (
    BACKBONE,
    COPY,
    MANIFEST,
    SCHEMA,
    SUFFIXES,
    Artifact,
    Damage,
    changed_since,
    find_damage,
    has_copy,
    open_artifact,
    publish,
    read_artifact,
    restore_manifest,
    withdraw,
)
from wsss.artifacts.seeds import STRIDE, Seed, grid_of, read_seed, write_seed
from wsss.writing import atomic_write, write_json

__all__ = [
    "BACKBONE",
    "COPY",
    "IGNORE",
    "MANIFEST",
    "SCHEMA",
    "STRIDE",
    "SUFFIXES",
    "Artifact",
    "Damage",
    "Seed",
    "atomic_write",
    "changed_since",
    "find_damage",
    "grid_of",
    "has_copy",
    "open_artifact",
    "publish",
    "read_artifact",
    "read_mask",
    "read_seed",
    "restore_manifest",
    "voc_palette",
    "withdraw",
    "write_json",
    "write_mask",
    "write_seed",
]
