"""One test per trap of third-party packages, and that a healthy installation is left as it is.

Most of them run in a process of its own: what is imported first matters here, and stand-ins replace packages.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from wsss import compat

ROOT = Path(compat.__file__).resolve().parent.parent

# Like torchvision, it fails unless something has defined the operator; the torch beside it notes definitions.
BROKEN_TORCHVISION = """
import torch, torchvision.registrations
name = "torchvision"
"""
REGISTRATIONS = """
import torch
if not any(schema.startswith("nms(") for schema in torch.library.defined):
    raise RuntimeError("operator torchvision::nms does not exist")
"""
FAKE_TORCH_LIBRARY = """
defined = []
class Library:
    def __init__(self, name, kind):
        assert (name, kind) == ("torchvision", "DEF")
    def define(self, schema):
        defined.append(schema)
"""


def write_modules(folder, modules):
    for name, text in modules.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run_python(code, *, modules_in):
    """What a fresh process prints, with the stand-ins of a folder before all installed packages."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(modules_in), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )


def check_output(code, *, modules_in):
    done = run_python(code, modules_in=modules_in)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_wsss_imports_no_heavy_package(tmp_path):
    code = "import wsss, sys; print(*{'torch', 'torchvision', 'mmcv', 'mmengine'} & set(sys.modules))"
    assert check_output(code, modules_in=tmp_path) == []


def test_apply_twice_adds_one_finder(tmp_path):
    code = "import wsss, sys; n = len(sys.meta_path); wsss.compat.apply(); print(len(sys.meta_path) - n)"
    assert check_output(code, modules_in=tmp_path) == ["0"]


def test_torchvision_without_operators_is_repaired(tmp_path):
    write_modules(
        tmp_path,
        {
            "torch/__init__.py": "from torch import library",
            "torch/library.py": FAKE_TORCH_LIBRARY,
            "torchvision/__init__.py": BROKEN_TORCHVISION,
            "torchvision/registrations.py": REGISTRATIONS,
        },
    )
    code = """
import wsss, torch, torchvision
print(torchvision.name, "torchvision.registrations" in __import__("sys").modules)
print(*[schema.split("(")[0] for schema in torch.library.defined])
"""
    assert check_output(code, modules_in=tmp_path) == ["torchvision", "True", "nms", "qnms"]


def test_healthy_torchvision_is_left_alone(tmp_path):
    write_modules(
        tmp_path,
        {
            "torch/__init__.py": "from torch import library",
            "torch/library.py": FAKE_TORCH_LIBRARY,
            "torchvision/__init__.py": "count = globals().get('count', 0) + 1",
        },
    )
    code = "import wsss, torch, torchvision; print(torchvision.count, len(torch.library.defined))"
    assert check_output(code, modules_in=tmp_path) == ["1", "0"]


def test_another_failure_of_torchvision_is_not_hidden(tmp_path):
    write_modules(tmp_path, {"torchvision/__init__.py": "raise RuntimeError('a wheel for another machine')"})
    done = run_python("import wsss, torchvision", modules_in=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: a wheel for another machine" in done.stderr


def test_mmcv_without_extension_imports_and_the_stand_in_is_gone(tmp_path):
    write_modules(
        tmp_path,
        {
            "mmcv/__init__.py": "",
            "mmcv/ops.py": "import importlib\nnms = importlib.import_module('mmcv._ext').nms",
        },
    )
    code = """
import sys, wsss, mmcv.ops
print("mmcv._ext" in sys.modules)
try:
    mmcv.ops.nms()
except NotImplementedError as error:
    print(error)
"""
    output = check_output(code, modules_in=tmp_path)
    assert output[0] == "False"
    assert " ".join(output[1:]) == (
        "expected mmcv's compiled operators for mmcv._ext.nms, got mmcv-lite, which has none: "
        "choose a network that does not need them"
    )


def test_mmcv_with_extension_is_left_alone(tmp_path):
    write_modules(
        tmp_path,
        {
            "mmcv/__init__.py": "",
            "mmcv/_ext.py": "nms = 'compiled'",
            "mmcv/ops.py": "from mmcv import _ext\nnms = _ext.nms",
        },
    )
    code = "import sys, wsss, mmcv.ops; print(mmcv.ops.nms, sys.modules['mmcv._ext'].__spec__ is not None)"
    assert check_output(code, modules_in=tmp_path) == ["compiled", "True"]


def test_installed_packages_register(tmp_path):
    """The real packages of this environment, whichever traps they have."""
    code = """
import wsss
from mmseg.utils import register_all_modules
register_all_modules(init_default_scope=False)
from mmseg.registry import MODELS
from mmengine.runner import Runner
import torchvision.models
print("FCNHead" in MODELS, hasattr(torchvision.models, "resnet50"))
"""
    assert check_output(code, modules_in=tmp_path)[-2:] == ["True", "True"]


def test_a_mac_computes_on_its_processor(tmp_path):
    """Its GPU refuses float64, in which the losses of each step are read."""
    code = """
import torch
torch.backends.mps.is_available = lambda: True
torch.cuda.is_available = lambda: False
import wsss
from mmengine.device import get_device
from mmengine.runner import runner
print(get_device(), runner.get_device())
"""
    assert check_output(code, modules_in=tmp_path) == ["cpu", "cpu"]


@pytest.fixture
def checkpoint():
    return {
        "state_dict": {"weight": torch.ones(2)},
        "message_hub": {
            "log_scalars": {"train/loss": HistoryBuffer([2.0, 1.5], [1, 1])},
            "runtime_info": {"score": np.float64(0.5)},
        },
    }


def test_own_checkpoint_loads(tmp_path, checkpoint):
    torch.save(checkpoint, tmp_path / "epoch_1.pth")
    hub = CheckpointLoader.load_checkpoint(str(tmp_path / "epoch_1.pth"))["message_hub"]
    history = hub["log_scalars"]["train/loss"]
    assert history.data[0].tolist() == [2.0, 1.5]
    assert history.statistics("mean") == 1.75
    assert hub["runtime_info"]["score"] == 0.5


class RunsCode:
    """What a hostile file holds: unpickling it calls a function of its choosing."""

    def __reduce__(self):
        return os.getenv, ("HOME",)


def test_checkpoint_that_runs_code_is_refused(tmp_path, checkpoint):
    torch.save({**checkpoint, "extra": RunsCode()}, tmp_path / "hostile.pth")
    with pytest.raises(Exception, match="Weights only load failed"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "hostile.pth"))
