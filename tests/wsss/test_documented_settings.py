"""Settings that the pages name exist in some preset."""

import re

from wsss.cli.stages import load_stage
from wsss.config import flatten, load_settings
from wsss.paths import PROJECT_ROOT

TABLES = "model|train|infer|labels|dataset|optim_wrapper|train_cfg|train_dataloader"
# Every method and every kind of data set is among them.
PRESETS = {
    "seeds": ("voc", "cam_r50_voc", "bas_localization_r50_cub", "bcam_plain8_demo", "ornet_plain8_demo",
              "fam_plain8_demo", "fuse_fam_demo", "folder", "coco"),
    "refine": ("voc", "crf_demo"),
    "segment": ("voc",),
}  # fmt: skip
# The page says what took their place.
GONE = {"model.fixed_batch_norm"}


def known_settings():
    """Dotted names of all settings, and of the tables that they stand in."""
    found = set()
    for stage, presets in PRESETS.items():
        for preset in presets:
            found |= dict(flatten(load_settings(load_stage(stage), preset).config)).keys()
    return found | {name.rsplit(".", depth)[0] for name in found for depth in range(1, name.count(".") + 1)}


def test_settings_on_the_pages_exist():
    known, missing, seen = known_settings(), [], 0
    for page in (*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").glob("*.md")):
        text = page.read_text("utf-8")
        named = set(
            re.findall(rf"(?:`|\s)(?:(?:seeds|refine|segment)\.)?((?:{TABLES})\.[a-z_.]+)(?=[`=])", text)
        )
        seen += len(named)
        missing += [f"{page.name}: {one}" for one in sorted(named - known - GONE)]
    assert missing == []
    assert seen > 100
