"""A batch shared by processes: even shares, and batch norm over all of it."""

import pytest
import torch
from torch import nn

from wsss import batches
from wsss.backbones import build_backbone, freeze_batch_norm
from wsss.batches import share_batch_statistics, share_of_batch
from wsss.errors import ConfigError


@pytest.mark.parametrize(("processes", "share"), [(1, 6), (2, 3), (6, 1)])
def test_shares_are_even(monkeypatch, processes, share):
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: processes)
    assert share_of_batch(6, setting="train.batch_size") == share


def test_a_batch_that_cannot_be_shared_is_refused_with_its_setting(monkeypatch):
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: 4)
    with pytest.raises(ConfigError, match=r"a batch that 4 processes can share, got loader\.batch=6: set a"):
        share_of_batch(6, setting="loader.batch")


@pytest.mark.parametrize(
    ("processes", "frozen", "warns"), [(1, False, False), (2, False, True), (2, True, False)]
)
def test_on_cpus_a_warning_where_statistics_are_trained(monkeypatch, caplog, processes, frozen, warns):
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: processes)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    network = build_backbone("plain8").train()
    if frozen:
        freeze_batch_norm(network)
    share_batch_statistics(network, "toy")
    assert ("toy: on CPUs batch norm sees each process's share" in caplog.text) == warns
    assert not any(isinstance(one, nn.SyncBatchNorm) for one in network.modules())


def test_timms_batch_norms_keep_their_activation_when_shared(monkeypatch):
    """On GPUs; the conversion itself needs none, and neither does evaluation."""
    network = build_backbone("mobilenetv1_100").train()
    monkeypatch.setattr(batches.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.eval()(image)[-1]
        names = list(network.state_dict())
        share_batch_statistics(network.train(), "toy")
        got = network.eval()(image)[-1]
    assert isinstance(network.levels[0][1], nn.SyncBatchNorm)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(got, expected)
