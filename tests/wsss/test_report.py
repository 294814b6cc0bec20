"""The page of a work folder: what it says, and what it leaves out."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import Seed, voc_palette, write_json, write_mask, write_seed
from wsss.datasets import FolderDataSet
from wsss.errors import ArtifactError
from wsss.report import write_report
from wsss.report.page import _spread
from wsss.report.pictures import chart_classes, draw_labels, draw_seed, embed_image

SIZE = (20, 30)


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for name in ("a", "b & <c>"):
        Image.new("RGB", SIZE[::-1], "gray").save(root / f"{name}.png")
    (root / "tags.csv").write_text("file,tags\na.png,cat\nb & <c>.png,cat;dog\n")
    return FolderDataSet(root)


def publish(folder, kind, ids, **more):
    manifest = {"schema": 1, "kind": kind, "split": "all", "image_ids": ids, "key": kind}
    write_json(folder / "manifest.json", manifest | more)


@pytest.fixture
def work(tmp_path, dataset):
    work = tmp_path / "work" / "toy"
    ids = list(dataset.ids("all"))
    for image_id in ids:
        write_seed(
            work / "seeds" / f"{image_id}.npz", classes=np.array([1]), maps=np.ones((1, 5, 8)), size=SIZE
        )
        write_mask(work / "masks" / f"{image_id}.png", np.full(SIZE, 2))
    figures = {"mIoU": 0.3456, "per_class_iou": {"background": 0.5, "cat": 0.1912, "dog": None}}
    thresholds = {"seed": {"value": 0.3, "chosen_by": "oracle, all"}}
    publish(work / "seeds", "seeds", ids, figures=figures, thresholds=thresholds, initialisation="imagenet")
    publish(work / "masks", "masks", ids, imported={"format": "irn"})
    return work


def test_the_page_says_figures_and_where_thresholds_are_from(work, dataset, tmp_path):
    out = tmp_path / "page.html"
    assert write_report(work, out, dataset=dataset) == ["seeds", "masks"]
    text = out.read_text()
    for wanted in ("34.6", "seed 0.3 (oracle, all)", "imagenet", "imported from irn files", "19.1"):
        assert wanted in text
    assert re.search(r"<td>dog</td><td class=\"number\">-</td>", text)
    assert "b &amp; &lt;c&gt;: cat, dog" in text
    # Each of two images with its seed and its mask, without ground truth. Nothing is fetched from elsewhere.
    assert text.count('<img src="data:image/jpeg;base64,') == 6
    assert not re.search(r'(src|href)="(?!data:|#)', text.replace("xlink:href", "href"))
    assert "<svg" in text


def test_without_data_or_ground_truth_it_says_so(work, tmp_path):
    publish(work / "seeds", "seeds", [])
    write_report(work, tmp_path / "page.html", dataset=None)
    text = (tmp_path / "page.html").read_text()
    assert "There is no ground truth, so there are no scores." in text
    assert "The data set is not here, so there are no pictures." in text
    assert "<svg" not in text


def test_a_damaged_picture_or_artifact_costs_no_page(work, dataset, tmp_path):
    (work / "masks" / "a.png").unlink()
    dataset.image_path("a").write_bytes(b"")
    assert write_report(work, tmp_path / "page.html", dataset=dataset) == ["seeds"]
    text = (tmp_path / "page.html").read_text()
    assert "1 are gone (first: a)" in text
    assert "No pictures: expected a whole image" in text


def test_an_empty_folder_and_a_full_disk_are_errors(work, dataset, tmp_path, monkeypatch):
    with pytest.raises(
        ArtifactError, match=r"expected published artifacts in .*empty, found none: run a stage"
    ):
        write_report(tmp_path / "empty", tmp_path / "page.html", dataset=None)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="expected a folder that can be written"):
        write_report(work, tmp_path / "file" / "page.html", dataset=None)


def test_labels_are_drawn_in_their_colours():
    image = np.full((2, 2, 3), 100, np.uint8)
    drawn = draw_labels(image, np.array([[0, 1], [255, 2]], np.uint8))
    assert drawn[0, 0].tolist() == [100, 100, 100]
    np.testing.assert_array_equal(drawn[0, 1], np.round(35 + 0.65 * voc_palette()[1]).astype(np.uint8))
    assert drawn[1, 0].tolist() == [201, 201, 201]  # .35 * 100 + .65 * 255 = 200.75


def test_seeds_are_drawn_from_blue_to_yellow():
    image = np.zeros((8, 8, 3), np.uint8)
    maps = np.zeros((1, 2, 2), np.float32)
    maps[:, :, 1] = 1
    drawn = draw_seed(image, Seed(np.array([1], np.uint8), maps, (8, 8)))
    left, right = drawn[0, 0].astype(int), drawn[0, -1].astype(int)
    assert left[2] > left[0]  # viridis starts at dark blue
    assert right[0] > right[2]  # and ends at yellow
    nothing = Seed(np.zeros(0, np.uint8), np.zeros((0, 2, 2), np.float32), (8, 8))
    assert draw_seed(image, nothing) is image


def test_pictures_are_small_and_charts_repeat():
    address = embed_image(np.zeros((600, 300, 3), np.uint8))
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        assert image.size == (120, 240)
    scores = {"seeds": {"cat": 0.5, "dog": None}}
    chart = chart_classes(scores, ["cat", "dog"])
    assert chart.startswith("<svg")
    assert chart == chart_classes(scores, ["cat", "dog"])


def test_pictures_are_spread_over_the_split():
    assert _spread(list("abcdefgh"), 4) == list("aceg")
    assert _spread(list("ab"), 4) == list("ab")
