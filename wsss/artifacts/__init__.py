"""The artifact contract: what a stage publishes and how the next one reads it (docs/artifacts.md)."""

from wsss.artifacts.masks import IGNORE, read_mask, voc_palette, write_mask
from wsss.artifacts.published import BACKBONE, MANIFEST, SCHEMA, SUFFIXES, Artifact, open_artifact
from wsss.artifacts.seeds import STRIDE, Seed, grid_of, read_seed, write_seed
from wsss.artifacts.writing import atomic_write, write_json

__all__ = [
    "BACKBONE",
    "IGNORE",
    "MANIFEST",
    "SCHEMA",
    "STRIDE",
    "SUFFIXES",
    "Artifact",
    "Seed",
    "atomic_write",
    "grid_of",
    "open_artifact",
    "read_mask",
    "read_seed",
    "voc_palette",
    "write_json",
    "write_mask",
    "write_seed",
]
