"""Files of weights: what is written is read, and what is none is refused in one line."""

import hashlib
import re

import pytest
import torch
from torch import nn

from wsss.errors import ConfigError
from wsss.weights import load_weights, save_weights, sha256_of


def same(found, expected):
    return found.keys() == expected.keys() and all(torch.equal(found[one], expected[one]) for one in found)


def test_a_network_and_a_state_dict_are_read_back(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    save_weights(network, tmp_path / "deep" / "network.pth")
    save_weights(network.state_dict(), tmp_path / "state.pth")
    for file in ("deep/network.pth", "state.pth"):
        assert same(load_weights(tmp_path / file, what="a network"), network.state_dict())
    assert sorted(one.name for one in tmp_path.rglob("*.*")) == ["network.pth", "state.pth"]


@pytest.mark.parametrize("entry", ["state_dict", "model"])
def test_weights_may_lie_beside_other_things(tmp_path, entry):
    weights = {"a.weight": torch.arange(3.0)}
    torch.save({"epoch": 3, entry: weights}, tmp_path / "checkpoint.pth")
    assert same(load_weights(tmp_path / "checkpoint.pth", what="a network"), weights)


def test_an_absent_file_is_named_with_its_setting(tmp_path):
    for call in (load_weights, sha256_of):
        with pytest.raises(
            ConfigError, match=r"expected toy weights at .*none\.pth, found no file: correct 'a\.b' or"
        ):
            call(tmp_path / "none.pth", what="toy weights", setting="a.b")
        with pytest.raises(ConfigError, match="found no file: correct its path or put it there"):
            call(tmp_path / "none.pth", what="toy weights")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([torch.zeros(1)], "got list: replace it with toy weights", id="list"),
        pytest.param({}, "got an empty one", id="empty"),
        pytest.param({"a": torch.zeros(1), "b": 3}, "got a dict with 'b', which is no tensor", id="number"),
        pytest.param({3: torch.zeros(1)}, "got a dict with 3, which", id="names"),
        pytest.param({"state_dict": {"a": "b"}}, "got a dict with 'a', which", id="inside"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_weights(tmp_path / "other.pth", what="toy weights")
    assert str(tmp_path / "other.pth") in str(error.value)


class RunsCode:
    def __reduce__(self):
        return print, ("it ran",)


def test_damaged_and_hostile_files_are_refused_in_one_line(tmp_path, capsys):
    save_weights(nn.Linear(9, 9), tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:300])
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"a": RunsCode()}, tmp_path / "hostile.pth")
    for file in sorted(tmp_path.glob("*.pth")):
        with pytest.raises(
            ConfigError, match=r"expected a PyTorch state dict in .*\.pth, got: .+: replace it"
        ) as error:
            load_weights(file, what="toy weights")
        assert "\n" not in str(error.value)
    assert "it ran" not in capsys.readouterr().out


def test_hash_of_a_file_of_several_chunks(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
