"""The code in the how-to pages runs."""

import re
from typing import Any

from torch import nn

from wsss import backbones
from wsss.paths import PROJECT_ROOT


def code_of(page):
    """The Python blocks of a page, joined."""
    text = (PROJECT_ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))


def test_the_backbone_of_the_page_is_cut_into_five_levels(monkeypatch):
    names: dict[str, Any] = {"nn": nn, "Any": Any}
    exec(code_of("add-backbone"), names)
    monkeypatch.setitem(backbones._BUILDERS, "efficientnet_lite0", names["_efficientnet_lite0"])
    backbone = backbones.build_backbone("efficientnet_lite0", output_stride=16)
    assert backbone.strides == (2, 4, 8, 16, 16)
    assert backbone.channels[-1] == 320


def test_relative_links_lead_somewhere():
    for page in (PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
