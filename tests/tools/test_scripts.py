"""The shell scripts, with a stand-in for Python: nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "flock", "mkdir", "readlink", "rm", "cp", "chmod", "sh")

# Tells its version, makes "environments" that hold itself, and notes what it was asked to install or run.
FAKE_PYTHON = """#!/bin/sh
version={version}
case "$1 $2" in
    "-c "*version_info*) echo "$version" ;;
    "-c import ensurepip, venv") exit {without_venv} ;;
    "-c "*) ;;
    "-m venv")
        for folder in "$@"; do :; done
        mkdir -p "$folder/bin"
        echo "home = somewhere" >"$folder/pyvenv.cfg"
        cp "$0" "$folder/bin/python" ;;
    "-m pip")
        echo "pip $*" >>"$LOG"
        [ -z "$BREAK_PIP" ] || exit 1
        for script in wsss torchrun; do
            printf '#!/bin/sh\\necho "%s $*"\\n' "$script" >"${{0%python}}$script"
            chmod +x "${{0%python}}$script"
        done ;;
    *) echo "python $*" ;;
esac
"""


class Checkout:
    """A copy of the scripts in a folder of its own, and a PATH with nothing but what a test puts there."""

    def __init__(self, folder):
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.log = folder / "pip.log"
        self.log.touch()
        shutil.copytree(ROOT / "tools", self.root / "tools")
        (self.root / "pyproject.toml").write_text("one")
        (self.root / "requirements.lock").write_text("torch==2.9.0")
        self.bin.mkdir()
        for tool in TOOLS:
            path = shutil.which(tool)
            if path is not None:
                (self.bin / tool).symlink_to(path)

    def add_python(self, name="python3", *, version="3.11", without_venv=0):
        path = self.bin / name
        path.write_text(FAKE_PYTHON.format(version=version, without_venv=without_venv))
        path.chmod(0o755)

    def run(self, script, *arguments, cwd=None, **environment):
        """Run a script of the checkout, or any path, by its absolute name."""
        return subprocess.run(
            [self.root / "tools" / script, *arguments],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin), "LOG": str(self.log), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def installs(self):
        return len(self.log.read_text().splitlines())


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def ready(checkout):
    """A checkout with a Python that fits."""
    checkout.add_python()
    return checkout


@pytest.mark.parametrize("script", ["run_stage.sh", "run_tests.sh", "setup.sh"])
def test_missing_python(checkout, script):
    done = checkout.run(script)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: expected Python >=3.10,<3.13, found none: install it or set PYTHON=/path/to/python"
    )


@pytest.mark.parametrize("version", ["3.9", "3.13", "2.7"])
def test_python_of_another_version(checkout, version):
    checkout.add_python(version=version)
    done = checkout.run("run_stage.sh", "all", "demo")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: expected Python >=3.10,<3.13, found none (python3 is {version}): "
        "install it or set PYTHON=/path/to/python"
    )
    assert checkout.installs == 0


def test_python_without_venv(checkout):
    checkout.add_python(without_venv=1)
    done = checkout.run("run_stage.sh", "all", "demo")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: expected the module venv in python3, found none: "
        "install it (Debian: apt-get install python3-venv)"
    )


def test_a_fitting_python_is_preferred_to_one_too_new(checkout):
    checkout.add_python(version="3.14")
    checkout.add_python("python3.12", version="3.12")
    assert checkout.run("setup.sh").returncode == 0
    assert "version=3.12" in (checkout.root / ".venv/bin/python").read_text()


def test_named_python_is_the_only_one_tried(ready, tmp_path):
    done = ready.run("setup.sh", PYTHON=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "expected Python >=3.10,<3.13, found none" in done.stderr


def test_second_call_does_not_set_up_again(ready):
    first, second = (ready.run("run_stage.sh", "seeds", "demo", "--split", "val") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout == "wsss run seeds demo --split val\n"
    assert "Setting up" in first.stderr
    assert second.stderr == ""
    assert ready.installs == 1


def test_changed_dependencies_set_up_again(ready):
    ready.run("setup.sh")
    (ready.root / "pyproject.toml").write_text("two")
    ready.run("setup.sh")
    assert ready.installs == 2


def test_moved_checkout_sets_up_again(ready):
    ready.run("setup.sh")
    ready.root = ready.root.rename(ready.root.with_name("moved"))
    assert ready.run("run_stage.sh", "all", "demo").stdout == "wsss run all demo\n"
    assert ready.installs == 2


def test_broken_set_up_is_named_and_done_again(ready):
    done = ready.run("setup.sh", BREAK_PIP="1")
    assert done.returncode == 1
    assert "it failed: read the lines above and run again" in done.stderr.splitlines()[-1]
    assert ready.run("setup.sh").returncode == 0
    assert ready.installs == 2


def test_environment_without_its_python_is_made_anew(ready):
    ready.run("setup.sh")
    (ready.root / ".venv/bin/python").unlink()
    (ready.root / "pyproject.toml").write_text("two")
    assert ready.run("run_tests.sh").stdout == "python -m pytest --numprocesses 2 --dist loadfile\n"


def test_called_from_another_folder_through_a_link(ready, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    link = elsewhere / "stage"
    link.symlink_to(ready.root / "tools" / "run_stage.sh")
    done = ready.run(link, "all", "demo", "--config", "my file.py", cwd=elsewhere)
    assert done.stdout == "wsss run all demo --config my file.py\n"
    assert (ready.root / ".venv").is_dir()
    assert not (elsewhere / ".venv").exists()


def test_every_verb_from_any_folder(ready, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    done = ready.run("wsss", "data", "folder", "--images", "my photos", cwd=elsewhere)
    assert done.stdout == "wsss data folder --images my photos\n"
    assert (ready.root / ".venv").is_dir()
    assert ready.run("wsss", "--help").stderr == ""


def test_environment_in_a_folder_of_choice(ready, tmp_path):
    done = ready.run("run_stage.sh", "all", "demo", WSSS_VENV=str(tmp_path / "my venv"))
    assert done.stdout == "wsss run all demo\n"
    assert (tmp_path / "my venv/pyvenv.cfg").is_file()
    assert not (ready.root / ".venv").exists()


def test_locked_versions_are_installed_once(ready):
    ready.run("setup.sh")
    for _ in range(2):
        assert ready.run("setup.sh", LOCKED="1").returncode == 0
    assert ready.run("run_tests.sh").stderr == "", "locked versions do for everything"
    assert ready.installs == 2
    assert ready.log.read_text().splitlines()[1].endswith(" --constraint requirements.lock -e .[dev]")
    (ready.root / "requirements.lock").write_text("torch==2.9.1")
    ready.run("setup.sh", LOCKED="1")
    assert ready.installs == 3


def test_wheels_take_the_place_of_the_network(ready, tmp_path):
    (tmp_path / "my wheels").mkdir()
    assert ready.run("setup.sh", cwd=tmp_path, WHEELS="my wheels").returncode == 0
    line = ready.log.read_text().strip()
    assert line.endswith(f" --no-index --find-links {tmp_path / 'my wheels'} -e .[dev]")


def test_wheels_that_are_not_there(ready):
    done = ready.run("setup.sh", WHEELS="nowhere")
    assert (done.returncode, ready.installs) == (2, 0)
    assert (
        done.stderr
        == "error: expected a folder of wheels at WHEELS=nowhere, found none: see docs/set-up.md\n"
    )


def test_tests_get_their_arguments(ready, tmp_path):
    assert ready.run("run_tests.sh", "-k", "a b", cwd=tmp_path).stdout.endswith(" loadfile -k a b\n")


@pytest.mark.parametrize("script", ["setup.sh", "run_stage.sh", "run_tests.sh", "wsss"])
def test_scripts_can_be_executed(script):
    assert os.access(ROOT / "tools" / script, os.X_OK)
