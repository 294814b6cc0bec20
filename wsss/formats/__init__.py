"""Other methods' seeds and masks, in and out."""

from wsss.formats.exchange import HIGH_RES, export_masks, export_seeds, import_masks, import_seeds
from wsss.formats.masks import EXPORTED_MASKS, IMPORTED_MASKS
from wsss.formats.seeds import SEEDS

__all__ = [
    "EXPORTED_MASKS",
    "HIGH_RES",
    "IMPORTED_MASKS",
    "SEEDS",
    "export_masks",
    "export_seeds",
    "import_masks",
    "import_seeds",
]
