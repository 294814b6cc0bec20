"""Files that unfold to too much, or would start a program, are refused before they are decoded."""

import ast
import io
import json
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from refine.infer import read_edge
from wsss.archives import unpack_tar
from wsss.artifacts import read_mask, read_seed
from wsss.datasets.coco_build import CocoImage, draw_objects
from wsss.errors import ArtifactError, ConfigError, DataError, WsssError
from wsss.formats import import_masks, import_seeds
from wsss.images import check_images, read_image, read_size
from wsss.limits import VARIABLE, open_arrays
from wsss.paths import PROJECT_ROOT

TOO_LARGE = r"expected an image of at most 100,000,000 pixels at .*: leave it out, or set WSSS_MAX_PIXELS"


def write_bomb(path, width=60_000, height=60_000):
    """A gray PNG whose header is honest and whose pixels are not all there."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("side", [10_001, 14_000, 60_000])
def test_an_image_bomb_is_refused_by_every_reader_before_it_is_decoded(tmp_path, side):
    path = write_bomb(tmp_path / "a.png", side, side)
    write_bomb(tmp_path / "a_0.png", side, side)
    tracemalloc.start()
    for read in (read_image, read_size, read_mask, lambda one: check_images({"a": one})):
        with pytest.raises(DataError, match=TOO_LARGE):
            read(path)
    with pytest.raises(ArtifactError, match="expected edges of size"):
        read_edge(path, (side, side))
    with pytest.raises(WsssError, match=TOO_LARGE):
        import_masks("voc", tmp_path, tmp_path / "masks")
    with pytest.raises(WsssError, match=TOO_LARGE):
        import_seeds("l2g", tmp_path, tmp_path / "seeds")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The smallest of the three holds 100 MB decoded.
    assert peak < 20e6


def test_sizes_in_lists_are_checked_as_those_in_headers_are(tmp_path):
    with pytest.raises(DataError, match=TOO_LARGE):
        draw_objects(CocoImage("a", (60_000, 60_000), ()))
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 60_000, "width": 60_000}],
        "annotations": [],
        "categories": [],
    }
    (tmp_path / "masks.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"got: expected an image of at most 100,000,000 pixels at a, got"):
        import_masks("coco-rle", tmp_path / "masks.json", tmp_path / "masks")


def test_the_limit_can_be_raised_and_lowered(tmp_path, monkeypatch):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    monkeypatch.setenv(VARIABLE, "600")
    assert read_size(tmp_path / "a.png") == (20, 30)
    monkeypatch.setenv(VARIABLE, "599")
    with pytest.raises(DataError, match=r"at most 599 pixels at .*a\.png, got 30 x 20"):
        read_size(tmp_path / "a.png")
    # Above Pillow's own limit: the header is read.
    monkeypatch.setenv(VARIABLE, "3600000000")
    assert read_size(write_bomb(tmp_path / "b.png")) == (60_000, 60_000)
    for odd in ("0", "-1", "1e9", "many"):
        monkeypatch.setenv(VARIABLE, odd)
        with pytest.raises(ConfigError, match="expected WSSS_MAX_PIXELS to be a number of pixels above 0"):
            read_size(tmp_path / "a.png")


def test_postscript_is_no_image_whatever_its_name(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started")
    )
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 20\n%%EndComments\n%%EOF\n")
    with pytest.raises(DataError, match="expected a whole image"):
        read_image(picture)


def write_npz(path, side):
    """A seed whose maps are zeros of any size: a thousandth of that on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, array in {"classes": np.array([1], np.uint8), "size": np.array([4, 4], np.int32)}.items():
            stream = io.BytesIO()
            np.save(stream, array)
            packed.writestr(f"{name}.npy", stream.getvalue())
        header = io.BytesIO()
        shape = {"descr": "<f4", "fortran_order": False, "shape": (1, side, side)}
        np.lib.format.write_array_header_1_0(header, shape)
        with packed.open("maps.npy", "w") as member:
            member.write(header.getvalue())
            for _ in range(4 * side):
                member.write(bytes(side))


def test_an_npz_that_unfolds_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "100000")
    write_npz(tmp_path / "a.npz", 1000)
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    with (
        pytest.raises(ValueError, match=r"4,000,\d+ bytes, too many for maps"),
        open_arrays(tmp_path / "a.npz"),
    ):
        pass
    with pytest.raises(ArtifactError, match="too many for maps of one image"):
        read_seed(tmp_path / "a.npz")
    with pytest.raises(DataError, match="too many for maps of one image"):
        import_seeds("npz", tmp_path, tmp_path / "seeds")


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "../out.txt"},
        {"name": "/tmp/wsss-out.txt"},
        {"name": "link", "type": tarfile.SYMTYPE, "linkname": "../../secret"},
        {"name": "link", "type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
        {"name": "null", "type": tarfile.CHRTYPE},
    ],
)
def test_archives_stay_in_their_folder(tmp_path, entry):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as packed:
        info = tarfile.TarInfo(entry["name"])
        for name, value in entry.items():
            setattr(info, name, value)
        packed.addfile(info, io.BytesIO(b""))
    before = set(tmp_path.rglob("*"))
    try:
        unpack_tar(archive, tmp_path / "in")
    except ValueError as error:
        assert entry["name"] in str(error)  # noqa: PT017
    # A leading / is dropped, all else is refused.
    new = set(tmp_path.rglob("*")) - before
    assert all(one.is_relative_to(tmp_path / "in") and not one.is_symlink() for one in new)
    assert not (tmp_path / "out.txt").exists()


def calls_in(folder):
    """Every call in a package: file, dotted name, keywords with constants."""
    for file in (PROJECT_ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                constants = {
                    one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)
                }
                yield file.relative_to(PROJECT_ROOT).as_posix(), ast.unparse(node.func), constants


def test_no_code_path_around_the_guards():
    # Reads that could run code or unfold without a limit stand in one place each.
    homes = {
        "Image.open": {"wsss/limits.py"},
        "Config.fromfile": {"wsss/config.py", "wsss/config_layers.py", "segment/dataset.py"},
        "runpy.run_path": {"wsss/config_layers.py", "wsss/cli/grid.py"},
        "pickle.load": set(),
        "pickle.loads": set(),
        "os.system": set(),
        "os.popen": set(),
        "eval": set(),
        "exec": set(),
        "torch.hub.load": set(),
        "torch.hub.load_state_dict_from_url": set(),
        "shutil.unpack_archive": set(),
    }
    found = {}
    for folder in ("wsss", "seeds", "refine", "segment"):
        for file, name, constants in calls_in(folder):
            if name in homes:
                found.setdefault(name, set()).add(file)
            if name == "torch.load":
                assert constants.get("weights_only") is True, file
            if name == "np.load":
                assert constants.get("allow_pickle") is False, file
            assert not name.endswith("extractall"), file
            assert constants.get("shell") is not True, file
    assert all(found.get(name, set()) <= allowed for name, allowed in homes.items()), found
    assert found["Image.open"] == {"wsss/limits.py"}
