"""Methods are found by name, in installed packages too, and each error names what is wrong."""

import re
import sys
from typing import Protocol

import pytest

from wsss.errors import ConfigError
from wsss.methods import find, known_names, protocol_members

GROUP = "wsss.test_methods"


class Speaker(Protocol):
    """What the methods of these tests must have."""

    name: str

    def say(self, word: str) -> str: ...


TABLE = {"own": "own_methods:OWN"}
OWN = """
class Own:
    name = "own"
    def say(self, word):
        return f"own {word}"
OWN = Own()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package with entry points: its code and its dist-info, on the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_methods.py").write_text(OWN)
    modules = ["own_methods"]

    def write(package, code, **points):
        (tmp_path / f"{package}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
        modules.append(package)

    yield write
    for module in modules:
        sys.modules.pop(module, None)


def ask(name):
    return find(name, group=GROUP, table=TABLE, protocol=Speaker)


CODE = """
class Echo:
    name = "echo"
    def say(self, word):
        return word * 2
ECHO = Echo()
class Mute:
    name = "mute"
MUTE = Mute()
class Odd:
    name = "odd"
    say = 3
ODD = Odd()
"""


def test_own_and_installed_methods_are_found(install):
    install("talkers", CODE, echo="talkers:ECHO")
    assert ask("own").say("ab") == "own ab"
    assert ask("echo").say("ab") == "abab"
    assert known_names(group=GROUP, table=TABLE) == ["echo", "own"]


@pytest.mark.parametrize(
    ("name", "points", "message"),
    [
        pytest.param("onw", {}, "expected a method out of own, got 'onw': did you mean 'own'?", id="unknown"),
        pytest.param("mute", {"mute": "talkers:MUTE"}, "expected the member 'say' of Speaker", id="member"),
        pytest.param("odd", {"odd": "talkers:ODD"}, "expected 'say' to be a function", id="not-a-function"),
        pytest.param("class", {"class": "talkers:Echo"}, "METHOD = Echo()", id="class"),
        pytest.param("other", {"other": "talkers:ECHO"}, "got 'echo': make them equal", id="two-names"),
        pytest.param("gone", {"gone": "talkers:GONE"}, "correct the entry point", id="no-attribute"),
        pytest.param("far", {"far": "nowhere_at_all:X"}, "of the package talkers (nowhere", id="no-module"),
        pytest.param("own", {"own": "talkers:ECHO"}, "got wsss itself (", id="name-taken"),
    ],
)
def test_errors(install, name, points, message):
    install("talkers", CODE, **points)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        ask(name)
    assert "\n" not in str(caught.value)


def test_members_of_a_protocol():
    assert protocol_members(Speaker) == {"name": False, "say": True}
