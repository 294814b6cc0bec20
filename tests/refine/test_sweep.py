"""Sweep of published masks: rows against masks made one by one, errors."""

import dataclasses
import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refine.infer import (
    WalkScores,
    mask_of_scores,
    read_edge,
    read_walk,
    read_walk_and_edge,
    walk_seed,
    write_edge,
    write_masks,
)
from refine.outlines import BY_EDGES, mean_of_outlines
from refine.sweep import sweep_masks
from wsss.artifacts import open_artifact, read_mask, read_seed, write_mask, write_seed
from wsss.datasets.base import LabelFile
from wsss.errors import ArtifactError, DataError
from wsss.evaluate import evaluate_masks

SIZE = (24, 20)
INFER = {"seed_power": 1.0, "radius": 3.0, "beta": 2.0, "steps": 4, "background_score": 0.4}


@dataclasses.dataclass
class Truths:
    """Ground truth alone."""

    folder: object
    classes = ("one", "two")

    def tags(self, image_id):
        return (1, 2)

    def mask_path(self, image_id):
        return self.folder / f"{image_id}.png" if image_id != "c" else None

    def truth_file(self, image_id):
        return LabelFile(self.mask_path(image_id), num_classes=2)

    def truth(self, image_id):
        return self.truth_file(image_id).read()


@pytest.fixture
def published(tmp_path):
    """Masks and seeds of three images, the last one without ground truth."""
    rng = np.random.default_rng(0)
    for number, image_id in enumerate(("a", "b", "c")):
        seed_file = tmp_path / "seeds" / f"{image_id}.npz"
        write_seed(seed_file, classes=np.array([1, 2]), maps=rng.random((2, 6, 5)), size=SIZE)
        edge = torch.from_numpy(rng.random((1, 6, 5), dtype=np.float32))
        write_edge(tmp_path / "masks" / "edge" / f"{image_id}.png", edge)
        seed = read_seed(seed_file)
        maps = walk_seed(seed, edge, INFER)
        write_seed(
            tmp_path / "masks" / "walk" / f"{image_id}.npz", classes=seed.classes, maps=maps, size=SIZE
        )
        write_mask(tmp_path / "masks" / f"{image_id}.png", np.zeros(SIZE, np.uint8))
        truth = np.full(SIZE, number % 2 + 1)
        truth[:, :9], truth[:3] = 0, 255
        (tmp_path / "truth").mkdir(exist_ok=True)
        write_mask(tmp_path / "truth" / f"{image_id}.png", truth)
    common = {"schema": 1, "split": "train", "image_ids": ["a", "b", "c"]}
    manifest = common | {
        "kind": "masks",
        "key": "m",
        "inputs": {"input seeds": "s"},
        "settings": {f"infer.{name}": value for name, value in INFER.items()},
        "thresholds": {"background_score": {"value": 0.4, "chosen_by": "fixed"}},
    }
    (tmp_path / "masks" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "seeds" / "manifest.json").write_text(json.dumps(common | {"kind": "seeds", "key": "s"}))
    return tmp_path


def test_rows_are_those_of_masks_made_one_by_one(published):
    masks, truths = open_artifact(published / "masks"), Truths(published / "truth")
    rows = sweep_masks(masks, truths, powers=[1.0, 2.0], num_workers=1)
    assert [(row["seed_power"], row["chosen"]) for row in rows] == [
        (1.0, "fixed"),
        (1.0, BY_EDGES),
        (1.0, "oracle, train"),
        (1.0, "oracle of each image, train"),
        (2.0, BY_EDGES),
        (2.0, "oracle, train"),
        (2.0, "oracle of each image, train"),
    ]

    def score(read, background_score):
        made = {one: mask_of_scores(read(one), background_score=background_score) for one in ("a", "b")}
        return evaluate_masks(made.get, truths, ["a", "b"]).figures()["mIoU"]

    def stored(one):
        return read_walk(masks.dir / "walk" / f"{one}.npz")

    def walked(one):
        seed = read_seed(published / "seeds" / f"{one}.npz")
        edge = read_edge(masks.dir / "edge" / f"{one}.png", (6, 5))
        maps = walk_seed(seed, edge, INFER | {"seed_power": 2.0})
        return WalkScores(seed.classes, maps.astype(np.float16).astype(np.float32), SIZE)

    assert rows[0]["background_score"] == 0.4
    assert rows[0]["mIoU"] == score(stored, 0.4)
    assert rows[2]["mIoU"] == score(stored, rows[2]["background_score"]) >= rows[0]["mIoU"]
    assert rows[5]["mIoU"] == score(walked, rows[5]["background_score"])
    assert rows[0]["images"] == 2


def test_scores_by_the_edges_are_those_of_the_masks_that_the_stage_writes(published):
    masks, truths = open_artifact(published / "masks"), Truths(published / "truth")
    row = next(one for one in sweep_masks(masks, truths, num_workers=1) if one["chosen"] == BY_EDGES)
    mean = mean_of_outlines(masks.ids, read=functools.partial(read_walk_and_edge, masks.dir))
    config = {
        "labels": {"num_workers": 1},
        "infer": {"background_score": "tags", "unsure_margin": 0.0, "crf": False},
    }
    for image_id in masks.ids:
        masks.file(image_id).unlink()
    images = SimpleNamespace(image_file=lambda one: None)
    write_masks(images, image_ids=masks.ids, out_dir=masks.dir, config=config, outlines=mean)
    found = evaluate_masks(lambda one: read_mask(masks.file(one)), truths, ["a", "b"]).figures()
    assert row["mIoU"] == found["mIoU"]
    assert row["background_score"] == "per image"
    # As those masks are published: the row in use is that of the edges.
    file = masks.dir / "manifest.json"
    file.write_text(
        file.read_text().replace(
            '"value": 0.4, "chosen_by": "fixed"', f'"value": null, "chosen_by": "{BY_EDGES}"'
        )
    )
    again = sweep_masks(open_artifact(masks.dir), truths, num_workers=1)
    assert [one["chosen"] for one in again] == [BY_EDGES, "oracle, train", "oracle of each image, train"]
    assert again[0] == row


def test_several_processes_find_the_same(published):
    masks, truths = open_artifact(published / "masks"), Truths(published / "truth")
    alone = sweep_masks(masks, truths, powers=[3.0], num_workers=1)
    assert sweep_masks(masks, truths, powers=[3.0], num_workers=2) == alone


def test_other_seeds_are_refused(published):
    masks, truths = open_artifact(published / "masks"), Truths(published / "truth")
    file = published / "seeds" / "manifest.json"
    file.write_text(file.read_text().replace('"s"', '"other"'))
    with pytest.raises(ArtifactError, match=r"expected the seeds that .*masks was made from, got others in"):
        sweep_masks(masks, truths, powers=[2.0])
    # The stored walks need no seeds.
    assert len(sweep_masks(masks, truths, num_workers=1)) == 4
    assert read_mask(masks.file("a")).shape == SIZE


def test_ground_truth_is_read_with_the_labels_of_the_data_set(published):
    """A data set may take part of the classes in the files: the rows are those of files rewritten by hand."""
    masks = open_artifact(published / "masks")
    table = np.full(256, 255, np.uint8)
    table[[0, 1, 2]] = 0, 2, 255

    class Part(Truths):
        def truth_file(self, image_id):
            return LabelFile(self.mask_path(image_id), num_classes=2, relabel=table)

    for image_id in ("a", "b"):
        truth = read_mask(published / "truth" / f"{image_id}.png")
        write_mask(published / "rewritten" / f"{image_id}.png", table[truth])
    found = sweep_masks(masks, Part(published / "truth"), num_workers=2)
    assert found == sweep_masks(masks, Truths(published / "rewritten"), num_workers=1)
    assert found != sweep_masks(masks, Truths(published / "truth"), num_workers=1)


def test_nothing_to_sweep(published):
    masks = open_artifact(published / "masks")
    blind = Truths(published)
    blind.mask_path = lambda image_id: None
    with pytest.raises(DataError, match="expected ground truth for some of 3 images, found none"):
        sweep_masks(masks, blind)
    with pytest.raises(ArtifactError, match=r"expected masks of the method irn in .*seeds, got seeds"):
        sweep_masks(open_artifact(published / "seeds"), Truths(published / "truth"))
