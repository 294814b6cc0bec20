"""The links of the pages lead somewhere, and the site is built from them."""

import os
import re
import subprocess
import sys

from wsss.paths import PROJECT_ROOT


def test_relative_links_lead_somewhere():
    for page in (PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text("utf-8")
    for name in ("segment.segmentor.load_segmentor", "wsss.artifacts.read_seed", "wsss.metrics.mean_iou"):
        assert f'id="{name}"' in reference, "the reference has what other programs call"
