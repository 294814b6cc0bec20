"""Single images with all their layers, for papers, people and terminals."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.wsss.test_report import NASTY, SIZE, dataset, root, work  # noqa: F401  the same toy run
from wsss.report.entries import open_entries
from wsss.report.figure import draw_images, drawn, layer_names, terminal_rows
from wsss.report.layers import Layer, Layers, read_layers


@pytest.fixture
def here(work, root):  # noqa: F811
    return ("--work-dir", work, "--data-root", root)


@pytest.fixture
def read(work, dataset):  # noqa: F811
    entries, _ = open_entries(work)
    return [read_layers(entries, image_id, dataset) for image_id in dataset.ids("all")]


def test_a_grid_has_each_layer_of_each_class(read, dataset):  # noqa: F811
    names = layer_names(read)
    assert names[:2] == ["image", "seeds: class map"]
    assert {"seeds", "masks", "masks: edges", "masks: confident label"} <= set(names)
    figure = draw_images(read, names, dataset.classes)
    titles = [axes.get_title() for axes in figure.axes]
    # Two class maps of the second image stand below one another.
    assert len(figure.axes) == 3 * len(names) + 1  # and the bar of the maps' colours
    assert titles.count("seeds: class map\ncat") == 2
    assert sum(title.startswith("seeds: class map\n<i>dog") for title in titles) == 1
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"cat", "<i>dog", "ignored"}


def test_titles_say_how_labels_fit_the_ground_truth():
    truth = np.uint8([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 2, 255]])
    mask = np.uint8([[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    confident = np.where(truth == 2, 255, mask).astype(np.uint8)
    heat = Layer("seeds: class map", "heat", np.full((2, 2), 0.5, np.float32), 1)
    layers = [
        heat,
        Layer("masks: confident label", "labels", confident),
        Layer("masks", "labels", mask),
        Layer("ground truth", "labels", truth),
    ]
    read = Layers("a", np.zeros((4, 4, 3), np.uint8), ("cat", "dog"), tuple(layers))
    figure = draw_images([read], layer_names([read]), ("cat", "dog"))
    titles = [one.get_title() for one in figure.axes if one.get_title()]
    # Of 15 pixels: background 6 of 11, cat 4 of 6, dog 0 of 3; without the dog background 6 of 8.
    assert titles == [
        "a\ncat, dog",
        "seeds: class map\ncat",
        "masks: confident label\nmIoU 70.8 of the sure 81 %: cat 67",
        "masks\nmIoU 40.4: cat 67, dog 0",
        "ground truth",
    ]
    bar = figure.axes[-1]
    assert bar.get_xlabel() == "maps: from 0 to 1"
    assert bar.get_xlim() == (0, 1)
    without = draw_images([read], ["image", "masks"], ("cat", "dog"))
    assert len(without.axes) == 2


def test_a_layer_lies_over_its_image(read):
    assert (drawn(read[0], "image") == read[0].image).all()
    assert drawn(read[0], "image", 1) is None
    mask = drawn(read[0], "masks")
    assert mask.shape == (*SIZE, 3)
    assert (mask != read[0].image).any()
    assert drawn(read[0], "masks", 1) is None


def test_pictures_in_a_terminal_are_half_blocks():
    left, right = np.zeros((20, 30, 3), np.uint8), np.full((20, 30, 3), 255, np.uint8)
    rows = terminal_rows([left, right], 61)
    assert [len(line) for line in rows] == [61] * 10
    assert {str(span.style) for span in rows[0].spans} == {
        "#000000 on #000000",
        "#ffffff on #ffffff",
    } or {str(span.style) for span in rows[0].spans} == {
        "rgb(0,0,0) on rgb(0,0,0)",
        "rgb(255,255,255) on rgb(255,255,255)",
    }
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, color_system="truecolor", width=61).print(rows[0])
    assert "38;2;255;255;255" in stream.getvalue()


def test_show_writes_a_picture_a_paper_and_a_terminal(invoke, here, work):  # noqa: F811
    code, out, err = invoke("show", "folder", "a", NASTY, *here, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["file"] == str(work / "show.png")
    assert Image.open(answer["file"]).width > 1000
    code, _, err = invoke("show", "folder", "a", *here, "--figure", "paper.pdf", "--layers", "image, masks")
    assert code == 0, err
    content = (work.parents[1] / "paper.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    code, out, _ = invoke("show", "folder", "a", *here, "--terminal")
    assert code == 0
    assert out.startswith("a: cat\nimage | seeds: class map | ")
    assert "▀" in out
    assert not re.search(r"Traceback", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody",), "hold, got 'nobody': correct it"),
        (("a", "--layers", "dreams"), "got 'dreams': correct --layers"),
        (("a", "--figure", "x.doc"), "expected a file that ends in .png, .pdf, .svg, got x.doc"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(invoke, here, arguments, message):
    code, _, err = invoke("show", "folder", *arguments, *here)
    assert code == 2
    assert message in err
