"""Figures that presets are known for."""

import json

import numpy as np
import pytest

from wsss.artifacts import open_artifact, write_json, write_mask, write_seed
from wsss.cli.expected import EXPECTED, differing_settings, unexpected_figures
from wsss.cli.result_tables import load_tables
from wsss.cli.stages import settings_by_folder
from wsss.keys import settings_that_matter


@pytest.fixture(scope="module")
def presets():
    """Folder -> settings as a manifest of the demo holds them."""
    found = settings_by_folder("demo", stages=["seeds", "refine"])
    return {
        name: settings_that_matter(settings.config, [*stage.neutral, *stage.owned])
        for name, (stage, settings) in found.items()
    }


@pytest.fixture
def publish(tmp_path, presets):
    """Publish an artifact of the demo with a score; gives it back."""

    def make(name, score, *, inputs=None, dataset="demo", **settings):
        folder, kind = tmp_path / name, name.partition("-")[0]
        if kind == "seeds":
            write_seed(folder / "a.npz", classes=np.array([1]), maps=np.ones((1, 2, 2)), size=(8, 8))
        else:
            write_mask(folder / "a.png", np.ones((8, 8)))
        own = {**presets[name], **{key.replace("__", "."): value for key, value in settings.items()}}
        manifest = {
            "schema": 1, "kind": kind, "name": name, "dataset": dataset, "split": "train", "image_ids": ["a"],
            "key": f"key of {name}", "settings": own, "inputs": inputs or {}, "figures": {"mIoU": score},
        }  # fmt: skip
        write_json(folder / "manifest.json", manifest)
        return open_artifact(folder)

    return make


def test_a_figure_outside_of_the_tolerance_is_said_in_one_line(publish):
    (line,) = unexpected_figures([publish("seeds", 0.3), publish("seeds-cam", 0.46)])
    assert line.startswith("seeds: expected an mIoU of 46.6 ± 6.0 from this preset (random seeds 0, 1, 2: ")
    assert "got 30.0" in line
    assert "\n" not in line
    # Luck is told from a fault on either side.
    assert unexpected_figures([publish("seeds", 0.6)])
    assert not unexpected_figures([publish("seeds", 0.42)])


def test_other_settings_are_not_compared_but_another_random_seed_is(publish):
    assert not unexpected_figures([publish("seeds", 0.3, train__epochs=1)])
    assert unexpected_figures([publish("seeds", 0.3, random_seed=5)])


def test_what_was_made_from_other_inputs_is_not_compared(publish):
    seeds = publish("seeds", 0.46)
    assert unexpected_figures([publish("masks", 0.2, inputs={"input seeds": seeds.key})])
    publish("seeds", 0.46, train__epochs=1)
    assert not unexpected_figures([publish("masks", 0.2, inputs={"input seeds": seeds.key})])
    assert not unexpected_figures([publish("masks", 0.2, inputs={"input seeds": "of another folder"})])


def test_without_ground_truth_or_a_measurement_nothing_is_said(publish):
    assert not unexpected_figures([publish("seeds", None), publish("seeds-cam", 0.1, dataset="mine")])


def test_weights_of_another_network_are_a_difference(publish):
    manifest = publish("seeds", 0.3, model__pretrained="0" * 64).manifest
    assert differing_settings(manifest) == {"model.pretrained": "0" * 64}


def test_the_expected_figures_are_those_of_the_results():
    tables = load_tables()
    for dataset, folders in json.loads(EXPECTED.read_text()).items():
        shown = tables[f"{dataset}.artifacts"]
        for folder, one in folders.items():
            rows = [row for row in shown.rows if row[0] == folder or f"(`{folder}`)" in row[0]]
            assert rows or folder == "seeds-combined", folder
            for row in rows:
                assert abs(float(row[1]) - one["mIoU"]) <= one["tolerance"], (dataset, folder)
