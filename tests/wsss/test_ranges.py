"""What a setting may be, and what is said where it is not."""

import pytest
import torch

from wsss.errors import ConfigError
from wsss.ranges import PRECISION, SHARE, check_ranges


@pytest.mark.parametrize("value", [None, "bf16"])
def test_precision_of_any_machine(value):
    check_ranges({"train": {"amp": value}}, {"train.amp": PRECISION})


def test_fp16_is_refused_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_ranges({"train": {"amp": "fp16"}}, {"train.amp": PRECISION})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"one of .* \(fp16 needs a GPU, bf16 does not\), got 'fp16'"):
        check_ranges({"train": {"amp": "fp16"}}, {"train.amp": PRECISION})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "much", [0.5, 2]])
def test_what_lies_outside_is_named(value):
    with pytest.raises(ConfigError, match=r"expected infer\.share at least 0 and at most 1, got"):
        check_ranges({"infer": {"share": value}}, {"infer.share": SHARE})
