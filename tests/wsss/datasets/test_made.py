"""Data that we make ourselves: verbs that only read leave them as they are."""

import json

import pytest

from wsss.artifacts import write_json, write_mask
from wsss.datasets import DemoDataSet

READING = [
    ("plan", "all", "demo"),
    ("run", "all", "demo", "--dry-run"),
    ("benchmark", "grid.py", "--dry-run"),
    ("status", "demo"),
    ("evaluate", "masks", "demo"),
    ("show", "demo", "train_00000", "--work-dir", "."),
    ("report", "demo", "--work-dir", "."),
    ("repair", "all", "demo"),
    ("export", "masks", "masks", "exported", "--format", "voc"),
    ("import", "masks", "there/SegmentationClassAug", "more", "--format", "voc", "--dataset", "demo"),
]


@pytest.fixture(scope="module")
def read_by_verbs(tmp_path_factory):
    """Demo data of three images, published masks that are its ground truth, and a grid that wants more."""
    folder = tmp_path_factory.mktemp("reading")
    data = DemoDataSet(folder / "there", train=3, val=1, side=96)
    (folder / "masks").mkdir()
    for one in data.ids("train"):
        write_mask(folder / "masks" / f"{one}.png", data.truth(one))
    manifest = {"schema": 1, "kind": "masks", "split": "train", "image_ids": data.ids("train"), "key": "k"}
    settings = {"dataset.train": 3, "dataset.val": 1, "dataset.side": 96}
    write_json(folder / "masks" / "manifest.json", manifest | {"dataset": "demo", "settings": settings})
    (folder / "grid.py").write_text(
        'datasets = ["demo"]\nmethods = dict(cam=dict(config="cam_plain8_demo.py"))\n'
        f"refine = dict(crf=dict())\nrandom_seeds = [0]\noptions = ['dataset.root={folder / 'there'}']\n"
    )
    return folder


@pytest.mark.parametrize("root", ["there", "absent"])
@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_verbs_that_read_neither_make_nor_replace_data(read_by_verbs, invoke, monkeypatch, root, words):
    monkeypatch.chdir(read_by_verbs)
    folder = read_by_verbs / "there"
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    if words[0] == "benchmark":
        where = ["--out", "grid", "--cfg-options", f"dataset.root={read_by_verbs / root}"]
    else:
        where = [] if words[0] == "export" else ["--data-root", root]
    invoke(*words, *where)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    assert not (read_by_verbs / "absent").exists()


def test_a_plan_says_that_the_data_are_made_first(read_by_verbs, invoke, monkeypatch):
    monkeypatch.chdir(read_by_verbs)
    code, out, _ = invoke("plan", "all", "demo", "--data-root", "absent", "--work-dir", "w", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["artifact"] for row in rows] == ["seeds", "seeds-cam", "masks", "segment", "segment-full"]
    assert all((row["action"], row["reasons"]) == ("run", ["the data are made first"]) for row in rows)
    code, out, _ = invoke("plan", "all", "demo", "--data-root", "there", "--work-dir", "w")
    assert code == 0
    assert "seeds, seeds-cam, masks, segment, segment-full: the data are made first" in out
    code, out, _ = invoke("benchmark", "grid.py", "--dry-run", "--out", "grid")
    assert code == 0
    assert "masks-cam-0-crf: run, its data are made first" in out


def test_evaluate_opens_the_data_as_the_run_had_them(read_by_verbs, invoke, monkeypatch):
    monkeypatch.chdir(read_by_verbs)
    code, out, err = invoke("evaluate", "masks", "demo", "--data-root", "there", "--json")
    assert code == 0, err
    assert json.loads(out)["mIoU"] == 1.0
    code, _, err = invoke("evaluate", "masks", "demo", "--data-root", "absent")
    assert code == 1
    assert "found none: give the --cfg-options and --data-root of the run" in err
