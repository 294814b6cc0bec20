"""Made-up files at every reader of lists, tables, JSON and configs: a refusal is one of our own errors."""

import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seeds.methods import check_settings
from wsss.artifacts import open_artifact
from wsss.cli.stages import load_config
from wsss.config_data import read_config_data
from wsss.datasets.base import read_id_list
from wsss.datasets.coco_build import CocoImage, CocoObject, build_coco, draw_objects
from wsss.datasets.folder import FolderDataSet
from wsss.datasets.labels import read_labels
from wsss.datasets.layouts import read_class_names, read_cub, read_openimages, read_wsol
from wsss.errors import ConfigError, DataError, WsssError
from wsss.formats import import_masks

# Pieces that readers look for, beside any text: whole files of random letters would be refused at line 1.
_NUMBERS = ["0", "1", "-1", "1e400", "nan", "inf", "1.5", "99999999999999999999", ""]
_PIECES = [
    *("file", "tags", "split", "train", "a.png", "b.jpg", "../a", "/a", "a b", "dog", "Dog", "d og"),
    *('"', "sep=;", "\x00", "\x1b[2J", "\u00e9", *_NUMBERS),
]
_WORDS = st.sampled_from(_PIECES) | st.text(max_size=5)
_SEPARATORS = st.sampled_from([",", ";", "\t", " ", ""])
_LINES = st.lists(st.lists(_WORDS, max_size=6), max_size=6)
_BYTES = st.binary(max_size=200)


@st.composite
def texts(draw, *heads):
    """The bytes of a list or table: known pieces, or anything."""
    if draw(st.booleans()) and draw(st.booleans()):
        return draw(_BYTES)
    separator = draw(_SEPARATORS)
    lines = [separator.join(cells) for cells in draw(_LINES)]
    text = "\n".join([draw(st.sampled_from(["", *heads])), *lines])
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "replace")


def refused(call, *arguments):
    """Whether a reader refuses in our own words; any other error is a crash and fails the test."""
    try:
        call(*arguments)
    except WsssError as error:
        said = str(error)
    else:
        return False
    assert said.startswith("expected ")
    return True


@given(content=texts("file,tags", "file;tags;split", "sep=;\nfile;tags", "tags\tfile"), masks=st.booleans())
def test_tables_of_tags(tmp_path, content, masks):
    (tmp_path / "tags.csv").write_bytes(content)
    (tmp_path / "a.png").touch()

    def read():
        dataset = FolderDataSet(tmp_path, ground_truth=tmp_path if masks else None)
        dataset.check("all")

    refused(read)


@given(count=st.integers(1, 300))
def test_numbers_of_classes(tmp_path, count):
    rows = [f"{number}.png,class {number}" for number in range(count)]
    (tmp_path / "tags.csv").write_text("\n".join(["file,tags", *rows]))
    assert refused(FolderDataSet, tmp_path) == (count > 254)


@given(content=texts("a.png", "1 a.png", "1 a\n2 b"))
def test_lists_of_ids_and_classes(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    refused(read_id_list, tmp_path / "list.txt")
    refused(read_class_names, tmp_path / "list.txt")


_LABELS = texts("a.png,0", "a.png,1,2,3,4", "a.png,a.png,b.png")


@given(ids=texts("a.png"), labels=_LABELS, sizes=_LABELS, places=_LABELS)
def test_lists_of_localization(tmp_path, ids, labels, sizes, places):
    folder = tmp_path / "train"
    folder.mkdir(exist_ok=True)
    for name, content in (
        ("image_ids.txt", ids),
        ("class_labels.txt", labels),
        ("image_sizes.txt", sizes),
        ("localization.txt", places),
    ):
        (folder / name).write_bytes(content)
        # Half of the readers stop at the first list, so the later ones are tried beside a good one as well.
        refused(read_wsol, tmp_path, tmp_path, "train")
    (folder / "image_ids.txt").write_text("a.png\n")
    (folder / "class_labels.txt").write_text("a.png,0\n")
    refused(read_wsol, tmp_path, tmp_path, "train")
    (tmp_path / "train_images.txt").write_bytes(labels)
    (tmp_path / "train_mask.txt").write_bytes(places)
    refused(read_openimages, tmp_path, tmp_path, "train")


@given(
    paths=st.sampled_from(["a.png", "a.png b", "", "../a"]),
    label=st.sampled_from(_NUMBERS),
    split=st.sampled_from(["0", "1", "2", ""]),
    box=st.lists(st.sampled_from(_NUMBERS), min_size=3, max_size=5),
)
def test_lists_of_cub(tmp_path, paths, label, split, box):
    names = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")
    for name, cells in zip(names, (paths, label, split, " ".join(box)), strict=True):
        (tmp_path / name).write_text(f"1 {cells}\n")
    refused(read_cub, tmp_path, "train")


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats()
    | st.sampled_from(["a", "a.png", "", "../a", "seeds", "train", "\n", "dog"])
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def _table(**fields):
    """A table whose entries are mostly right and sometimes anything."""
    return st.fixed_dictionaries({name: right | _JSON for name, right in fields.items()})


_MANIFEST = _table(
    schema=st.just(1),
    kind=st.sampled_from(["seeds", "masks", "segment"]),
    split=st.just("train"),
    image_ids=st.lists(st.sampled_from(["a", "b/c", "../a", "\x00"]), max_size=3),
    key=st.just("k"),
    classes=st.just(["dog"]),
    figures=_table(mIoU=st.floats(), per_class_iou=st.dictionaries(st.just("dog"), st.floats())),
    thresholds=_JSON,
)


@given(content=_MANIFEST | _JSON)
def test_manifests(tmp_path, content):
    (tmp_path / "a.npz").touch()
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    refused(open_artifact, tmp_path)


_POLYGON = st.lists(st.lists(st.floats(width=32) | st.integers(-5, 70), max_size=8), max_size=2)
_RLE = _table(size=st.just([5, 7]), counts=st.lists(st.integers(-1, 40), max_size=4) | st.text(max_size=4))
_COCO = _table(
    images=st.lists(
        _table(id=st.integers(1, 3), file_name=st.just("a.jpg"), height=st.just(5), width=st.just(7)),
        max_size=2,
    ),
    annotations=st.lists(
        _table(image_id=st.just(1), category_id=st.just(1), area=st.floats(), segmentation=_POLYGON | _RLE),
        max_size=2,
    ),
    categories=st.lists(_table(id=st.just(1), name=st.just("dog")), max_size=2),
)


@given(content=_COCO)
def test_annotations_of_coco(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("coco")
    (folder / "annotations").mkdir()
    file = folder / "annotations" / "instances_train2014.json"
    file.write_text(json.dumps(content))
    refused(lambda: build_coco(folder, labels=folder / "labels", split="train", num_workers=1))
    refused(import_masks, "coco-rle", file, folder / "masks")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([[0, 0, 3e9, 0, 0, 3]], "a corner at 3e"),
        ([[0, 0, float("nan"), 0, 0, 3]], "a corner at nan"),
        ({"size": [5, 7], "counts": [36, -1]}, "RLE of other than 35 pixels"),
        ({"size": [5, 7], "counts": [10, 100]}, "RLE of other than 35 pixels"),
    ],
)
def test_shapes_that_pycocotools_would_not_come_back_from(shape, said):
    image = CocoImage("a", (5, 7), (CocoObject(1, 1.0, False, shape),))
    with pytest.raises(DataError, match=f"expected polygons or RLE for a, got: {said}"):
        draw_objects(image)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_too_deep(tmp_path, deep):
    for name in ("manifest.json", "annotations/instances_train2014.json"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(deep)
    assert refused(open_artifact, tmp_path)
    assert refused(lambda: build_coco(tmp_path, labels=tmp_path / "labels", split="train"))
    assert refused(import_masks, "coco-rle", tmp_path / "manifest.json", tmp_path / "masks")


_PYTHON = st.lists(
    st.sampled_from(
        ["a", "=", "dict(", ")", "[", "]", "{", "}", ",", ":", "1", "'x'", "\n", "**", "-", "+", "None", "(",
         "import os", "lambda", ".", "b=", "1e999", "  ", "#", "\\"]
    ),
    max_size=25,
).map(" ".join)  # fmt: skip


@given(content=_PYTHON | st.text(alphabet=string.printable, max_size=60))
def test_configs_read_as_data(tmp_path, content):
    (tmp_path / "config.py").write_text(content, encoding="utf-8")
    refused(read_config_data, tmp_path / "config.py")


_VALUES = _JSON.map(repr) | st.text(max_size=6) | st.sampled_from(["1e999", "()", "(1,)", "{}", "[[]]", "-1"])


@example(key="score_split", value="{}")
@given(
    key=st.sampled_from(
        ["train.epochs", "train.batch_size", "infer.scales", "infer.flip", "model.backbone", "train",
         "method", "random_seed", "train.learning_rate", "infer", "score_split", "dataset.train_split",
         "model.pretrained", "train.optimizer", "=", "", ".", "train..epochs"]
    ),
    value=_VALUES,
)  # fmt: skip
def test_overrides(key, value):
    refused(lambda: check_settings(load_config("seeds", "demo", options=[f"{key}={value}"])))


@given(content=_BYTES)
def test_label_files(tmp_path, content):
    (tmp_path / "labels.npy").write_bytes(b"\x93NUMPY" + content)
    assert refused(read_labels, tmp_path / "labels.npy", 20)


@pytest.mark.parametrize("option", ["train.epochs=None", "infer.scales=None", "infer.flip=None"])
def test_a_number_cannot_be_nothing(option):
    with pytest.raises(ConfigError, match=r"expected \S+ of type \w+ \(such as .*\), got None"):
        load_config("seeds", "demo", options=[option])
