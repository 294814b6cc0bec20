import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from wsss.datasets.labels import read_labels
from wsss.errors import DataError


def row(*labels, classes=4):
    values = np.zeros(classes, np.float32)
    values[[label - 1 for label in labels]] = 1
    return values


def write_pickle(path, content, protocol=2):
    """A .npy file of an object, with the pickle of choice instead of numpy's own."""
    with path.open("wb") as stream:
        npy.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
        stream.write(content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol))


def wrapped(content):
    array = np.empty((), dtype=object)
    array[()] = content
    return array


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cls_labels.npy"


def test_integer_ids_get_their_underscore_back(path):
    np.save(path, {2007000032: row(1, 4), 2011003276: row()})

    assert read_labels(path, 4) == {"2007_000032": (1, 4), "2011_003276": ()}


def test_text_ids_stay_as_they_are(path):
    np.save(path, {"a/b 1": row(2), "007": row(3)})

    assert read_labels(path, 4) == {"a/b 1": (2,), "007": (3,)}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_every_pickle_protocol_and_kind_of_number(path, protocol, dtype):
    write_pickle(path, wrapped({"one": row(2).astype(dtype)}), protocol)

    assert read_labels(path, 4) == {"one": (2,)}


def test_files_of_numpy_1_and_2_are_read(path):
    # The two generations differ in the name of the module that rebuilds arrays.
    content = pickle.dumps(wrapped({"one": row(2)}), protocol=2)
    for old, new in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        write_pickle(path, content.replace(old, new))
        assert read_labels(path, 4) == {"one": (2,)}


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("wrap", [wrapped, lambda content: content], ids=["in-array", "bare"])
def test_a_pickle_that_runs_code_is_refused_by_name(path, tmp_path, wrap):
    marker = tmp_path / "ran"
    write_pickle(path, wrap({"one": Malicious(marker)}))

    with pytest.raises(
        DataError, match=r"cls_labels\.npy, got: the name (posix|nt)\.mkdir, which may run code"
    ):
        read_labels(path, 4)

    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "numpy load", "numpy.core.multiarray fromfile", "os system"]
)
def test_other_names_are_refused(path, name):
    module_name, function = name.split()
    write_pickle(path, f"c{module_name}\n{function}\n.".encode())

    with pytest.raises(DataError, match=rf"the name {module_name}\.{function}, which may run code"):
        read_labels(path, 4)


def test_other_encodings_are_refused(path):
    write_pickle(path, b"c_codecs\nencode\n(VAAAA\nVrot13\ntR.")

    with pytest.raises(DataError, match="got: encoding rot13"):
        read_labels(path, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            {"a": row(1)[:3]}, r"expected \(4,\) values of 0 or 1 for a in .*got float32 \(3,\)", id="size"
        ),
        pytest.param({"a": row(1) * 0.5}, r"expected \(4,\) values of 0 or 1 for a in ", id="no-tag-values"),
        pytest.param({"a": "cat"}, r"expected \(4,\) values of 0 or 1 for a in ", id="text"),
        pytest.param(
            {12: row(1)}, r"expected image ids like 2007_000032 or 2007000032 in .*got 12", id="short-id"
        ),
        pytest.param(
            {"2007_000032": row(1), 2007000032: row(1)},
            r"each image id once in .*got 2007_000032 twice",
            id="twice",
        ),
        pytest.param({}, r"expected a \.npy file of a dict .*, got an empty dict", id="empty"),
        pytest.param([row(1)], r"expected a \.npy file of a dict .*, got list: replace", id="no-dict"),
    ],
)
def test_other_contents_are_refused(path, content, message):
    np.save(path, wrapped(content))

    with pytest.raises(DataError, match=message):
        read_labels(path, 4)


def test_an_array_of_numbers_is_refused(path):
    np.save(path, np.zeros((3, 4)))

    with pytest.raises(DataError, match=r"got: an array of float64 with shape \(3, 4\)"):
        read_labels(path, 4)


def test_an_absent_file_is_named(path):
    with pytest.raises(DataError, match=r"cls_labels\.npy, found no file: set dataset\.labels"):
        read_labels(path, 4)


@pytest.mark.parametrize("keep", [0, 5, 60, 200])
def test_a_cut_off_file_is_refused(path: Path, keep):
    np.save(path, {"one": row(1), "two": row(2)})
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(
        DataError, match=r"expected a \.npy file of a dict .* got: .*: replace the file"
    ) as caught:
        read_labels(path, 4)

    assert "\n" not in str(caught.value)
