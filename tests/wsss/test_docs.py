"""The code in the how-to pages runs."""

import re
from typing import Any

import pytest
import torch
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


def test_the_seed_method_of_the_page_has_the_loss_it_describes():
    names: dict[str, Any] = {}
    exec(code_of("add-seed-method"), names)
    network = names["TopCAMNet"]("plain8", 2)
    class_map = torch.zeros(1, 2, 4, 5)
    class_map[0, 0, 0, :2] = torch.tensor([3.0, 1.0])
    network.forward = lambda image: class_map.requires_grad_()
    losses = network.training_losses(
        {"image": torch.zeros(1, 3, 8, 8), "tags": torch.tensor([[1.0, 0.0]])}, step=0
    )
    # A tenth of 20 pixels are two: their means are 2 and 0, so the loss is (log(1 + e^-2) + log 2) / 2.
    assert losses["loss"].item() == pytest.approx((0.126928 + 0.693147) / 2, abs=1e-5)
    assert losses["peak"].item() == pytest.approx(1.5)
    losses["loss"].backward()
    assert (class_map.grad[0, 0] != 0).sum() == 2


def test_relative_links_lead_somewhere():
    for page in (PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
