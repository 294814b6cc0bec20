"""The checks of the machine."""

import importlib.metadata
from types import SimpleNamespace

import pytest

from wsss import doctor
from wsss.artifacts import write_json
from wsss.datasets import DemoDataSet
from wsss.datasets.made import STAMP
from wsss.doctor import Check, examine


@pytest.fixture
def few(monkeypatch):
    """Only two required packages, and no data sets."""
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda _: ["numpy>=1", "packaging<0.1", "no-such-thing>=2"]
    )
    monkeypatch.setattr(doctor, "_data", lambda: [])


def test_each_row_has_a_state_and_a_finding(few, tmp_path):
    checks = {check.name: check for check in examine(tmp_path)}
    assert checks["python"].state == "ok"
    assert checks["numpy"].state == "ok"
    assert checks["packaging"].state == "bad"
    assert "expected <0.1: tools/setup.sh" in checks["packaging"].found
    assert checks["no-such-thing"] == Check(
        "no-such-thing", "bad", "not installed, expected >=2: tools/setup.sh"
    )
    assert checks["dense CRF"] == Check("dense CRF", "ok", "works")
    assert checks["memory"].found.split()[1] == "GiB,"


def test_the_installed_packages_are_those_of_the_project():
    wrong = [check for check in doctor._packages() if check.state == "bad"]
    assert wrong == []


def test_a_dense_crf_that_does_not_load_is_bad(few, monkeypatch, tmp_path):
    import wsss.crf

    def broken(*_):
        raise ImportError("libfoo.so is missing")

    monkeypatch.setattr(wsss.crf, "crf_labels", broken)
    check = next(check for check in examine(tmp_path) if check.name == "dense CRF")
    assert check == Check("dense CRF", "bad", "ImportError: libfoo.so is missing: pip install pydensecrf2")


def test_little_space_and_no_permission_are_said(few, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    assert doctor._disk(tmp_path / "not" / "there") == Check(
        "disk", "missing", f"1 GiB free at {tmp_path}, voc wants 10"
    )
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert doctor._disk(tmp_path).state == "bad"


def test_absent_data_are_missing_not_bad(monkeypatch, tmp_path):
    settings = {"type": "coco", "root": str(tmp_path), "train_split": "train", "val_split": "val"}
    monkeypatch.setattr(doctor, "load_dataset_settings", lambda _: dict(settings))
    check = doctor._data_set("coco")
    assert check.state == "missing"
    assert "wsss data coco --root" in check.found
    monkeypatch.setattr(
        doctor, "load_dataset_settings", lambda _: {"type": "demo", "root": str(tmp_path / "no")}
    )
    assert doctor._data_set("demo") == Check("data demo", "ok", "made on the spot")
    assert not (tmp_path / "no").exists()
    other = tmp_path / "other"
    other.mkdir()
    write_json(other / STAMP, {"other": "settings"})
    monkeypatch.setattr(doctor, "load_dataset_settings", lambda _: {"type": "demo", "root": str(other)})
    assert doctor._data_set("demo") == Check("data demo", "ok", "made on the spot")
    assert [one.name for one in other.iterdir()] == [STAMP]
    DemoDataSet(tmp_path / "small", train=2, val=1, side=96)
    small = {"type": "demo", "root": str(tmp_path / "small"), "train": 2, "val": 1, "side": 96}
    small |= {"train_split": "train", "val_split": "val"}
    monkeypatch.setattr(doctor, "load_dataset_settings", lambda _: dict(small))
    assert doctor._data_set("demo").found == f"train 2, val 1 in {tmp_path / 'small'}"
    made = {"type": "voc_boxes", "root": str(tmp_path / "no"), "images": str(tmp_path / "small")}
    made |= {"splits": ["train", "val"], "labels": str(tmp_path / "small" / "cls_labels.npy")}
    monkeypatch.setattr(doctor, "load_dataset_settings", lambda _: dict(made))
    assert doctor._data_set("voc_boxes") == Check("data voc_boxes", "ok", "made on the spot")
    made |= {"images": str(tmp_path / "absent"), "train_split": "train", "val_split": "val"}
    assert doctor._data_set("voc_boxes").state == "missing"
