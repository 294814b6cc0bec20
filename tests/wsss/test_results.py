"""Files of results: made from manifests and grids, and shown by the pages as they are."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from wsss.artifacts import write_json, write_seed
from wsss.cli import app, result_tables, results
from wsss.cli.expected import differing_settings
from wsss.cli.grid_table import COLUMNS
from wsss.cli.result_tables import FOLDER, PAGES, fill, load_tables, places
from wsss.cli.results import describe_run, write_results
from wsss.cli.stages import settings_by_folder
from wsss.errors import ConfigError, DataError
from wsss.keys import settings_that_matter
from wsss.paths import PROJECT_ROOT


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """An empty folder of results and one page, in place of the project's own."""
    folder, page = tmp_path / "results", tmp_path / "page.md"
    folder.mkdir()
    page.write_text("Prose.\n\n<!-- table run.artifacts -->\n<!-- end of table -->\n\nMore prose.\n")
    for module in (results, result_tables):
        monkeypatch.setattr(module, "FOLDER", folder)
        monkeypatch.setattr(module, "PAGES", (page,))
    return folder, page


@pytest.fixture(scope="module")
def preset():
    """Settings of the demo's seeds, flat, as a manifest holds them."""
    stage, settings = settings_by_folder("demo", stages=["seeds"])["seeds"]
    return settings_that_matter(settings.config, [*stage.neutral, *stage.owned])


@pytest.fixture
def work(tmp_path, preset):
    """A work folder with seeds that were made with another number of epochs."""
    folder = tmp_path / "run"
    write_seed(folder / "seeds" / "a.npz", classes=np.array([1]), maps=np.ones((1, 2, 2)), size=(8, 8))
    manifest = {
        "schema": 1, "kind": "seeds", "name": "seeds", "dataset": "demo", "split": "train", "count": 1,
        "image_ids": ["a"], "key": "k", "settings": {**preset, "train.epochs": 7},
        "figures": {"mIoU": 0.4567, "per_class_iou": {"background": 0.5, "cat": None}},
        "thresholds": {"seed": {"value": 0.4, "chosen_by": "oracle, train"}}, "seconds": 61.4,
        "code": "abc", "machine": "a CPU", "command": "wsss run seeds demo --work-dir /home/me/run",
    }  # fmt: skip
    write_json(folder / "seeds" / "manifest.json", manifest)
    return folder


def call(*words):
    return app(["results", *map(str, words)], standalone_mode=False)


def test_the_pages_show_the_files_as_they_are():
    tables, shown = load_tables(), []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert fill(text, tables, page.name) == text, f"{page.name}: wsss results --write"
        shown += places(text)
    assert len(shown) == len(set(shown)) > 15


@pytest.mark.parametrize("page", [PAGES[0], *FOLDER.glob("*.md")], ids=lambda page: page.stem)
def test_no_table_of_results_is_typed_into_a_page(page):
    outside = re.sub(
        r"<!-- table .*?<!-- end of table -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    typed = [line for line in outside.splitlines() if line.startswith("|")]
    assert typed == [], "put it into docs/results/*.json, and a marker in its place"


def test_each_file_says_where_its_figures_come_from_and_names_no_folder_of_a_machine():
    for file in FOLDER.glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        for one in content.get("tables", {"": content}).values():
            assert one.get("source"), file
        assert not re.search(r'["= ]/(home|work|root|data|mnt|tmp)/', file.read_text(encoding="utf-8")), file


def test_a_run_becomes_a_file_and_the_page_its_table(pages, work, capsys):
    folder, page = pages
    call("--add", work)
    assert "<!-- table run.artifacts -->" in capsys.readouterr().out
    call("--write")
    assert page.read_text() == (
        "Prose.\n\n<!-- table run.artifacts -->\n"
        "| artifact | mIoU | on | how | seconds |\n|---|---|---|---|---|\n"
        "| seeds | 45.7 | train, 1 | 0.4 (oracle, train) | 61 |\n\n"
        "commit abc; a CPU; `wsss run seeds demo --work-dir run`\n"
        "<!-- end of table -->\n\nMore prose.\n"
    )
    (one,) = json.loads((folder / "run.json").read_text())["artifacts"]
    assert one["differs"] == {"train.epochs": 7}
    assert one["thresholds"]["seed"]["chosen_by"] == "oracle, train"
    assert "image_ids" not in one
    assert load_tables(folder)["run.classes"].rows == [["background", "50.0"], ["cat", ""]]
    # What is there may be made anew.
    call("--add", work)


def test_settings_stand_in_the_table_where_no_command_is_known(pages, work):
    file = work / "seeds" / "manifest.json"
    write_json(file, {**json.loads(file.read_text()), "command": None})
    call("--add", work)
    assert load_tables(pages[0])["run.artifacts"].rows[0][3] == "0.4 (oracle, train); train.epochs=7"


def test_a_page_that_is_not_up_to_date_is_named(pages, work, capsys):
    call("--add", work)
    with pytest.raises(DataError, match=r"expected the tables of docs/results/ in .*page.md.*--write"):
        call()
    call("--write")
    call()
    capsys.readouterr()
    call("--json")
    assert json.loads(capsys.readouterr().out)["run.classes"]["columns"] == ["class", "seeds"]


def test_other_tables_are_not_overwritten(pages, work):
    write_results(pages[0] / "run.json", {"tables": {}})
    with pytest.raises(ConfigError, match="expected a new name, got run"):
        call("--add", work)
    with pytest.raises(ConfigError, match=r"expected a work folder or the table\.csv"):
        call("--add", work / "seeds" / "a.npz")
    with pytest.raises(DataError, match="expected published artifacts in"):
        call("--add", pages[0])


def test_a_manifest_of_an_unknown_data_set_has_no_differing_settings(work):
    manifest = json.loads((work / "seeds" / "manifest.json").read_text())
    assert differing_settings(manifest) == {"train.epochs": 7}
    assert differing_settings({**manifest, "dataset": "mine"}) == {}


def test_what_a_newer_run_has_set_aside_has_no_row(work):
    before = describe_run(work)
    shutil.copytree(work / "seeds", work / "seeds.previous")
    assert describe_run(work) == before


def test_an_imported_artifact_has_a_row_without_figures(work):
    file = work / "seeds" / "manifest.json"
    content = json.loads(file.read_text())
    write_json(file, {key: content[key] for key in ("schema", "kind", "name", "split", "image_ids", "key")})
    (one,) = describe_run(work)
    assert (one["figures"], one["count"], one["seconds"]) == ({}, 1, None)


def test_a_grid_becomes_means_over_random_seeds(pages, tmp_path):
    file = tmp_path / "grid" / "table.csv"
    file.parent.mkdir()
    row = dict.fromkeys(COLUMNS, "") | {
        "dataset": "demo_boxes", "method": "cam", "state": "done", "commit": "abc", "machine": "a CPU",
        "command": "wsss benchmark /home/me/x.py",
        "settings": "seeds.infer.scales=[0.5, 1.0]; seeds.model.weights=/home/me/net.pth; "
        f"seeds.model.pretrained={PROJECT_ROOT}/work/start.pth; seeds.method=cam",
    }  # fmt: skip
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, COLUMNS)
        writer.writeheader()
        boxes = {"MaxBoxAccV2": "50.0", "whole image, mean": "30.0"}
        writer.writerow(row | boxes | {"random seed": "0", "PxAP": "40.0"})
        writer.writerow(row | boxes | {"random seed": "1", "PxAP": "42.0"})
        writer.writerow(row | {"random seed": "2", "state": "failed"})
    call("--add", file)
    table = load_tables(pages[0])["grid.demo_boxes"]
    assert list(table.columns) == ["method", "random seeds", "MaxBoxAccV2", "PxAP"]
    # By hand: mean 41, deviation sqrt(2).
    assert table.rows == [["cam", 2, "50.0 ± 0.0", "41.0 ± 1.4"], ["whole image", "", "30.0", ""]]
    assert table.note == "commit abc; a CPU; `wsss benchmark x.py`"
    kept = json.loads((pages[0] / "grid.json").read_text())["grid"][0]["settings"]
    assert kept == (
        "seeds.infer.scales=[0.5, 1.0]; seeds.model.weights=net.pth; "
        "seeds.model.pretrained=work/start.pth; seeds.method=cam"
    )


def test_what_rows_share_is_said_once_and_the_rest_row_by_row(pages, work):
    seeds = json.loads((work / "seeds" / "manifest.json").read_text())
    for name, code in (("seeds-cam", "abc"), ("seeds-own", "def")):
        write_seed(work / name / "a.npz", classes=np.array([1]), maps=np.ones((1, 2, 2)), size=(8, 8))
        write_json(work / name / "manifest.json", {**seeds, "name": name, "code": code})
    call("--add", work)
    assert load_tables(pages[0])["run.artifacts"].note == (
        "a CPU; `wsss run seeds demo --work-dir run`\n\n"
        "- seeds, seeds-cam: commit abc\n- seeds-own: commit def"
    )


def test_ratios_of_benchmarks_are_a_table(pages):
    row = ["walk", "2.00", "time, dense / ours", 3]
    content = {"machine": "a CPU", "commit": "abc", "beside": "a training", "ratios": [row]}
    write_results(pages[0] / "bench.json", content)
    table = load_tables(pages[0])["bench.ratios"]
    assert table.rows == [row]
    assert len(table.columns) == len(row)
    assert table.note == "commit abc; a CPU; beside it: a training"


def test_a_cell_may_be_that_of_another_table(pages):
    tables = {
        "seen": {"columns": ["method", "on", "mIoU"], "rows": [["BAS", "a", 46.0], ["BAS", "b", 47.5]]},
        "short": {"columns": ["x"], "rows": [["{one.seen|BAS b|mIoU} %"]]},
    }
    write_results(pages[0] / "one.json", {"tables": tables})
    assert load_tables(pages[0])["one.short"].rows == [["47.5 %"]]
    for wrong in ("{one.seen|BAS|mIoU}", "{one.seen|BAS b|IoU}", "{two.seen|BAS b|mIoU}"):
        tables["short"]["rows"] = [[wrong]]
        write_results(pages[0] / "one.json", {"tables": tables})
        with pytest.raises(DataError, match=r"expected a reference to one cell, got \{"):
            load_tables(pages[0])


def test_a_place_without_a_table_and_a_broken_file_are_refused(pages):
    with pytest.raises(DataError, match=r"expected a table out of , got run\.artifacts in page\.md"):
        fill(pages[1].read_text(), load_tables(pages[0]), "page.md")
    (pages[0] / "broken.json").write_text('{"figures": 1}')
    with pytest.raises(DataError, match=r"expected a file of results at .*broken\.json"):
        load_tables(pages[0])
