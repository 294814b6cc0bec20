"""Tables of tags as different programs and people write them."""

import pytest

from wsss.datasets import FolderDataSet
from wsss.datasets.tables import read_table
from wsss.errors import ConfigError, DataError

DOG, BOTH = ("dog",), ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "tags", "remarks"),
    [
        pytest.param("file,tags\na.jpg,dog\nb.jpg,cat;dog\n", [DOG, BOTH], [], id="plain"),
        pytest.param(
            "\ufefffile;tags\r\na.jpg;dog\r\nb.jpg;\"cat;dog\"\r\n",
            [DOG, BOTH],
            ["cells are separated by semicolon"],
            id="excel-german",
        ),
        pytest.param(
            "file;tags\na.jpg;dog\nb.jpg;cat;dog\n",
            [DOG, BOTH],
            ["cells are separated by semicolon"],
            id="semicolons-for-both",
        ),
        pytest.param(
            "sep=;\nfile;tags\na.jpg;dog\nb.jpg;cat, dog\n",
            [DOG, BOTH],
            ["cells are separated by semicolon", "tags are separated by comma"],
            id="excel-sep",
        ),
        pytest.param(
            "file\ttags\na.jpg\tdog\nb.jpg\tcat dog\nc.jpg\tcat\n",
            [DOG, BOTH, ("cat",)],
            ["cells are separated by tab", "tags are separated by space"],
            id="tab-and-spaces",
        ),
        pytest.param(
            'file,tags\na.jpg,dog\nb.jpg,"cat, dog"\n',
            [DOG, BOTH],
            ["tags are separated by comma"],
            id="quoted",
        ),
        pytest.param("file,tags\na.jpg,dog\nb.jpg,cat,dog\n", [DOG, BOTH], [], id="further-cells"),
        pytest.param("File , Tags\na.jpg,dog,,\n,,\n\nb.jpg,cat;dog,\n", [DOG, BOTH], [], id="empty-cells"),
        pytest.param(
            "file,tags\na.jpg,Dog\nb.jpg,cat;dog\nc.jpg,dog \n",
            [DOG, BOTH, DOG],
            ["'Dog' and 'dog' are one class, 'dog'"],
            id="capitals",
        ),
        pytest.param(
            "file,tags\na.jpg,traffic light\nb.jpg,Traffic  Light;cat\nc.jpg,traffic light\n",
            [("traffic light",), ("traffic light", "cat"), ("traffic light",)],
            [
                "'Traffic Light' and 'traffic light' are one class, 'traffic light'",
                "'traffic light' is one name with a space; separate tags by ;",
            ],
            id="a-name-with-a-space",
        ),
        pytest.param(
            "file,tags\na.jpg,cat;dog\nb.jpg,\"cat,dog\"\n",
            [BOTH, BOTH],
            ["tags are separated by semicolon in some rows and by comma in others"],
            id="two-ways",
        ),
    ],
)  # fmt: skip
def test_dialects_are_understood_and_said(tmp_path, content, tags, remarks):
    path = tmp_path / "tags.csv"
    path.write_bytes(content.encode())
    rows, said = read_table(path)
    assert [row.tags for row in rows] == tags
    assert list(said) == [f"tags.csv: {one}" for one in remarks]


def test_utf_16_as_excel_saves_unicode_text(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_bytes("file\ttags\r\ngröße.jpg\tdog\r\n".encode("utf-16"))
    rows, said = read_table(path)
    assert (rows[0].cells["file"], rows[0].tags) == ("größe.jpg", DOG)
    assert said == ("tags.csv: the file is in UTF-16", "tags.csv: cells are separated by tab")


def test_another_encoding_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "tags.csv").write_bytes("file,tags\ngröße.jpg,dog\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"in UTF-8 at .*: save it again as UTF-8 \(Excel: 'CSV UTF-8'\)"):
        read_table(tmp_path / "tags.csv")


def test_given_classes_decide_about_spellings_and_spaces(tmp_path):
    (tmp_path / "tags.csv").write_text("file,tags\na.jpg,DOG\nb.jpg,cat dog\n")
    assert FolderDataSet(tmp_path).classes == ("DOG", "cat dog")
    dataset = FolderDataSet(tmp_path, classes=["Dog", "Cat"])
    assert [dataset.tags(one) for one in ("a", "b")] == [(1,), (1, 2)]
    with pytest.raises(ConfigError, match="got 2, 1 of them unlike"):
        FolderDataSet(tmp_path, classes=["Dog", "dog"])
