"""The links of the pages lead somewhere."""

import re

from wsss.paths import PROJECT_ROOT


def test_relative_links_lead_somewhere():
    for page in (PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
