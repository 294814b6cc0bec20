"""The page of a work folder: what it says, and what it leaves out."""

import base64
import functools
import io
import re

import numpy as np
import pytest
from PIL import Image

from wsss.artifacts import atomic_write, open_artifact, voc_palette, write_json, write_mask, write_seed
from wsss.datasets import FolderDataSet
from wsss.errors import ArtifactError
from wsss.report import write_report
from wsss.report.charts import draw_losses, svg
from wsss.report.compare import compare_figures, differing_settings, pair_up
from wsss.report.curves import read_losses, read_warnings
from wsss.report.entries import open_entries
from wsss.report.layers import Entry, Layer, cut_seed, error_map, read_layers
from wsss.report.pictures import draw_layer, embed_image, embed_layer
from wsss.report.sections import confusions_of
from wsss.report.warnings import warnings_of

SIZE = (20, 30)
NASTY = "b & <c>"


class Truth(FolderDataSet):
    """A folder with ground truth: the left half of each image is its first class."""

    def mask_path(self, image_id):
        return self.image_path(image_id)

    def truth(self, image_id, *, size=None):
        truth = np.zeros(SIZE, np.uint8)
        truth[:, :15] = self.tags(image_id)[0]
        return truth


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for name in ("a", NASTY):
        Image.new("RGB", SIZE[::-1], "gray").save(root / f"{name}.png")
    (root / "tags.csv").write_text(f"file,tags\na.png,cat\n{NASTY}.png,cat;<i>dog\n")
    return root


@pytest.fixture
def dataset(root):
    return FolderDataSet(root)


def publish(folder, kind, ids, **more):
    manifest = {"schema": 1, "kind": kind, "split": "all", "image_ids": ids, "key": kind}
    write_json(folder / "manifest.json", manifest | more)


def soft(value, shape=(1, 5, 8)):
    """A map that falls from ``value`` at the left to 0 at the right."""
    return np.broadcast_to(np.linspace(value, 0, shape[2]), shape)


@pytest.fixture
def work(tmp_path, dataset):
    work = tmp_path / "work" / "toy"
    ids = list(dataset.ids("all"))
    for image_id in ids:
        classes = np.array(dataset.tags(image_id))
        write_seed(
            work / "seeds" / f"{image_id}.npz",
            classes=classes,
            maps=np.concatenate([soft(1.0), 0.2 * soft(1.0)])[: len(classes)],
            foreground=np.ones((5, 8)),
            size=SIZE,
        )
        write_mask(work / "masks" / f"{image_id}.png", np.full(SIZE, 2))
        write_mask(work / "masks" / "confident" / f"{image_id}.png", np.full(SIZE, 255))
        with atomic_write(work / "masks" / "edge" / f"{image_id}.png") as file:
            Image.fromarray(np.zeros((5, 8), np.uint8)).save(file)
    figures = {"mIoU": 0.3456, "per_class_iou": {"background": 0.5, "cat": 0.1912, "<i>dog": None}}
    thresholds = {"seed": {"value": 0.3, "chosen_by": "oracle, all"}}
    publish(work / "seeds", "seeds", ids, figures=figures, thresholds=thresholds, initialisation="imagenet")
    publish(work / "masks", "masks", ids, imported={"format": "irn"})
    (work / "seeds.log").write_text(
        "2026-01-01 00:00:00,000 WARNING an older run\n"
        "2026-01-01 00:00:01,000 INFO seeds: runs for toy, into work\n"
        "2026-01-01 00:00:02,000 WARNING maps empty or full after epoch 1: <cat>\n"
        "2026-01-01 00:00:03,000 INFO train bas: step 5/10, rate 1.00e-02, loss 3.5000, area 0.5000\n"
        "2026-01-01 00:00:04,000 INFO train bas: step 10/10, rate 0.00e+00, loss 2.2500, area 0.2500\n"
    )
    return work


def page(work, tmp_path, dataset, **more):
    out = tmp_path / "work" / "page.html"
    figures = write_report({"": work}, out, dataset=dataset, **more)
    return figures, out.read_text()


def test_the_page_says_figures_and_where_thresholds_are_from(work, dataset, tmp_path):
    figures, text = page(work, tmp_path, dataset)
    assert list(figures) == ["seeds", "masks"]
    for wanted in ("34.6", "seed 0.3 (oracle, all)", "imagenet", "imported from irn files", "19.1"):
        assert wanted in text
    assert re.search(r"<td>&lt;i&gt;dog</td>|<td>cat</td>", text)
    assert '<a href="toy/seeds.log">log</a>' in text


def test_names_are_escaped_and_nothing_is_fetched_from_elsewhere(work, dataset, tmp_path):
    _, text = page(work, tmp_path, dataset)
    assert "b &amp; &lt;c&gt;" in text
    assert "<c>" not in text
    assert "<i>" not in text
    assert "maps empty or full after epoch 1: &lt;cat&gt;" in text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL))
    assert addresses
    assert not [one for one in addresses if re.match(r"https?:|//|/", one)]


def test_every_layer_has_a_toggle_and_each_class_its_own_map(work, dataset, tmp_path):
    _, text = page(work, tmp_path, dataset)
    layers = re.findall(r'<input type="checkbox" value="(\d+)"', text)
    # image; seeds: class map, foreground, labels; masks: confident label, edges, mask
    assert layers == [str(number) for number in range(7)]
    card = text[text.index('aria-label="enlarge b &amp; &lt;c&gt;"') :]
    maps = re.findall(r'<img class="layer l1( off)? smooth" data-label="(\d)"', card)
    assert maps == [("", "1"), (" off", "2")]


def test_without_ground_truth_it_says_so_and_still_sorts_by_change(work, dataset, tmp_path):
    publish(work / "seeds", "seeds", list(dataset.ids("all")))
    _, text = page(work, tmp_path, dataset)
    assert "There is no ground truth, so there are no scores." in text
    assert "seeds → masks: most changed" in text
    assert "most gained" not in text
    assert "errors</label>" not in text
    assert "<th>mIoU</th>" not in text  # empty columns are left out
    assert 'id="thresholds"' not in text


def test_without_data_there_are_no_pictures(work, tmp_path):
    _, text = page(work, tmp_path, None)
    assert "The data set is not here, so there are no pictures." in text
    assert "34.6" in text


def test_what_was_imported_is_scored_where_there_is_ground_truth(work, root, tmp_path):
    figures, text = page(work, tmp_path, Truth(root))
    # Masks are class 2 (cat) all over, which is right on half of one of two images: a quarter of all pixels.
    assert figures["masks"]["mIoU"] == pytest.approx(0.25 / 3, abs=1e-6)
    assert figures["seeds"]["mIoU"] == 0.3456  # as published
    assert "masks: 100 % of the pixels are foreground: the threshold is too low" in text
    assert "masks: classes never right: background, &lt;i&gt;dog" in text
    assert "seeds → masks: most gained" in text
    assert 'id="thresholds"' in text


def test_a_damaged_picture_or_artifact_costs_no_page(work, dataset, tmp_path):
    (work / "masks" / "a.png").unlink()
    dataset.image_path("a").write_bytes(b"")
    figures, text = page(work, tmp_path, dataset)
    assert list(figures) == ["seeds"]
    assert "1 are gone (first: a)" in text
    assert "No pictures: expected a whole image" in text


def test_a_file_that_cannot_be_scored_is_a_warning(work, root, tmp_path):
    (work / "seeds" / "a.npz").write_bytes(b"junk")
    _, text = page(work, tmp_path, Truth(root))
    assert "seeds: not scored: expected an npz" in text


def test_an_empty_folder_and_a_full_disk_are_errors(work, tmp_path):
    with pytest.raises(
        ArtifactError, match=r"expected published artifacts in .*empty, found none: run a stage"
    ):
        write_report({"": tmp_path / "empty"}, tmp_path / "page.html", dataset=None)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="expected a folder that can be written"):
        write_report({"": work}, tmp_path / "file" / "page.html", dataset=None)


def test_layers_of_an_image(work, root):
    entries, _ = open_entries(work)
    read = read_layers(entries, "a", Truth(root))
    assert [layer.name for layer in read.layers] == [
        "seeds: class map", "seeds: foreground", "seeds", "seeds: errors",
        "masks: confident label", "masks: edges", "masks", "masks: errors", "ground truth",
    ]  # fmt: skip
    by_name = {layer.name: layer for layer in read.layers}
    # Pixel x lies at (x + .5) * 8 / 30 - .5 of the ramp's 8 cells, which is above .3 before .7 * 7 = 4.9,
    # that is for x < 19.75.
    assert by_name["seeds"].values[0].tolist() == [2] * 20 + [0] * 10
    assert (by_name["masks: errors"].values[0] == [0] * 15 + [1] * 15).all()


def test_a_mask_of_another_size_is_refused(work, root):
    write_mask(work / "masks" / "a.png", np.zeros((3, 4)))
    with pytest.raises(ArtifactError, match=r"of size \(20, 30\), got \(3, 4\): it is another image's"):
        read_layers(open_entries(work)[0], "a", Truth(root))


def test_seeds_without_maps_are_background(work):
    write_seed(work / "seeds" / "a.npz", classes=np.zeros(0), maps=np.zeros((0, 5, 8)), size=SIZE)
    entry = Entry("seeds", open_artifact(work / "seeds"))
    assert not entry.labels("a").any()


def test_layers_are_drawn_in_their_colours():
    image = np.full((2, 2, 3), 100, np.uint8)
    labels = Layer("x", "labels", np.array([[0, 1], [255, 2]], np.uint8))
    drawn = draw_layer(image, labels, opacity=0.65)
    assert drawn[0, 0].tolist() == [100, 100, 100]
    np.testing.assert_array_equal(drawn[0, 1], np.round(35 + 0.65 * voc_palette()[1]).astype(np.uint8))
    assert drawn[1, 0].tolist() == [201, 201, 201]  # .35 * 100 + .65 * 255 = 200.75
    heat = draw_layer(image, Layer("x", "heat", np.float32([[0, 1]])))
    assert heat[0, 0].tolist() == [100, 100, 100]  # nothing is transparent
    assert heat[0, 1].sum() > 450  # and 1 is bright


def test_embedded_pictures_are_small_and_exact():
    def opened(address):
        return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))

    assert opened(embed_image(np.zeros((600, 300, 3), np.uint8), 240)).size == (120, 240)
    labels = np.zeros((100, 200), np.uint8)
    labels[:50] = 3
    labels[:, 190:] = 255
    with opened(embed_layer(Layer("x", "labels", labels), 100)) as picture:
        assert picture.size == (100, 50)
        pixels = np.asarray(picture.convert("RGBA"))
    assert pixels[10, 10].tolist() == [*voc_palette()[3], 255]
    assert pixels[40, 10, 3] == 0
    assert pixels[10, 97].tolist() == [255, 255, 255, 255]


def test_losses_far_apart_have_an_axis_in_plain_numbers():
    terms = {"loss": [(1, 9.0), (2, 2.0)], "area": [(1, 0.09), (2, 0.01)]}
    drawn = svg(functools.partial(draw_losses, terms=terms), size=(5, 3), title="losses")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"0.01", "0.1", "1", "loss", "area"} <= set(texts)
    assert not [one for one in texts if "$" in one]


def test_a_loss_of_one_term_is_drawn_once():
    points = [(1, 2.0), (2, 1.0)]
    terms = {"loss": points, "decode.loss": list(points)}
    drawn = svg(functools.partial(draw_losses, terms=terms), size=(5, 3), title="losses")
    assert ">loss</text>" in drawn
    assert "decode.loss" not in drawn


def test_losses_are_those_of_the_last_run(tmp_path):
    log = tmp_path / "seeds.log"
    lines = ["step 5/10, rate 1.00e-02, loss 9.0", "step 5/10, rate 1.00e-02, loss 3.5, area 0.5",
             "step 10/10, rate 0.00e+00, loss 2.25, area 0.25"]  # fmt: skip
    log.write_text("".join(f"2026-01-01 00:00:00,000 INFO train bas: {line}\n" for line in lines))
    assert read_losses(log) == {"train bas": {"loss": [(5, 3.5), (10, 2.25)], "area": [(5, 0.5), (10, 0.25)]}}
    assert read_losses(tmp_path / "none.log") == {}


def test_warnings_of_a_continued_run_are_kept(tmp_path):
    log = tmp_path / "seeds.log"
    time = "2026-01-01 00:00:00,000"
    start = f"{time} INFO seeds: runs for toy, into work\n"
    log.write_text(f"{start}{time} WARNING one\n{start}{time} WARNING two\n{time} WARNING two\n")
    assert read_warnings(log) == ["two"]
    with log.open("a") as stream:
        stream.write(f"{time} INFO seeds: continues where it was interrupted\n{start}{time} WARNING three\n")
    assert read_warnings(log) == ["two", "three"]


def test_stale_inputs_and_masks_worse_than_seeds_are_warnings(work, dataset):
    ids = list(dataset.ids("all"))
    publish(work / "masks", "masks", ids, inputs={"input seeds": "seeds"}, code="abc+changes")
    entries, _ = open_entries(work)
    found = warnings_of(entries, {"seeds": {"mIoU": 0.5}, "masks": {"mIoU": 0.4}}, {})
    assert "masks: mIoU 40.0, below the 50.0 of seeds" in found
    assert "masks: made by uncommitted code (abc+changes)" in found
    publish(work / "masks", "masks", ids, inputs={"input seeds": "others"})
    entries, _ = open_entries(work)
    assert any("made from other seeds than those beside it" in one for one in warnings_of(entries, {}, {}))


def test_confusions_by_hand():
    from wsss.evaluate import Scores

    found = confusions_of("masks", Scores(np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]]), ("cat", "dog"), 4))
    assert found["heads"] == ["background", "cat"]
    assert found["rows"][0]["cells"] == [75.0, 25.0]
    assert [(one["truth"], one["prediction"]) for one in found["largest"]] == [
        ("background", "cat"), ("cat", "background"),
    ]  # fmt: skip


def test_two_runs_side_by_side(work, root, tmp_path):
    other = tmp_path / "work" / "other"
    ids = list(FolderDataSet(root).ids("all"))
    for image_id in ids:
        write_mask(other / "masks" / f"{image_id}.png", np.full(SIZE, 1))
    publish(other / "masks", "masks", ids, settings={"a": 2, "b": 1}, figures={"mIoU": 0.5})
    publish(work / "masks", "masks", ids, settings={"a": 1, "b": 1}, figures={"mIoU": 0.4})
    first, second = open_entries(work, prefix="A: ")[0], open_entries(other, prefix="B: ")[0]
    (pair,) = pair_up(first, second)
    assert differing_settings(pair) == ["masks: a: 1 -> 2"]
    figures = {"A: masks": {"mIoU": 0.4}, "B: masks": {"mIoU": 0.5}}
    assert compare_figures(pair, figures) == [{"figure": "mIoU", "A": 0.4, "B": 0.5, "difference": 0.1}]
    out = tmp_path / "compare.html"
    folders = {"A": work, "B": other}
    write_report(folders, out, dataset=Truth(root), differences=differing_settings(pair))
    text = out.read_text()
    assert "A: masks → B: masks: most gained" in text
    assert "masks: a: 1 -&gt; 2" in text


def test_cut_and_errors_agree_with_the_definition():
    assert error_map(np.uint8([[255, 1]]), np.uint8([[1, 1]])).tolist() == [[2, 0]]
    from wsss.artifacts import Seed

    seed = Seed(np.array([4], np.uint8), np.full((1, 2, 2), 0.5, np.float32), (8, 8))
    assert cut_seed(seed, 0.5).max() == 0  # above, not at
    assert cut_seed(seed, 0.4).min() == 4
