"""VOC: lists against files, SBD's masks, and fetching from a server."""

import functools
import hashlib
import http.server
import tarfile
import threading

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from wsss.artifacts import read_mask
from wsss.datasets import VocDataSet
from wsss.datasets.voc_build import check_voc, convert_sbd, download_voc, find_voc, read_sbd_mask
from wsss.errors import ConfigError, DataError

A, B, C, D = (f"2007_00000{number}" for number in (1, 2, 3, 4))


def write_sbd(folder, masks, train, val):
    (folder / "cls").mkdir(parents=True)
    for image_id, mask in masks.items():
        savemat(folder / "cls" / f"{image_id}.mat", {"GTcls": {"Segmentation": mask}})
    (folder / "train.txt").write_text("\n".join(train))
    (folder / "val.txt").write_text("\n".join(val))


@pytest.fixture
def whole(voc):
    """train A, val B; SBD has A, B, C, D, of which C has its image alone."""
    voc.write_list("train", f"{A}\n")
    voc.write_list("val", f"{B}\n")
    for image_id in (A, B, C, D):
        voc.write_image(image_id)
        voc.write_annotation(image_id, "cat")
    for image_id in (A, B):
        voc.write_mask(image_id)
    masks = {one: np.full((4, 6), label, np.uint8) for label, one in enumerate((A, B, C, D), start=1)}
    write_sbd(voc.root.parent / "sbd" / "benchmark_RELEASE" / "dataset", masks, (A, C), (B, D))
    return voc


def test_sbd_gives_train_aug_without_val(whole):
    assert convert_sbd(whole.root, whole.root.parent / "sbd") == 4
    dataset = VocDataSet(whole.root, counts={"train_aug": 3})
    assert dataset.ids("train_aug") == (A, C, D)
    # VOC's own masks (all background) win over SBD's.
    assert [read_mask(dataset.mask_path(one)).max() for one in (A, B, C, D)] == [0, 0, 3, 4]
    dataset.mask_path(D).unlink()
    assert convert_sbd(whole.root, whole.root.parent / "sbd") == 1


def test_a_whole_data_set_has_no_problems(whole):
    convert_sbd(whole.root, whole.root.parent / "sbd")
    rows = check_voc(whole.root, counts={"train": 1, "train_aug": 3, "val": 1})
    assert [row["problems"] for row in rows.values()] == [[], [], []]
    assert rows["train_aug"]["tags_differ"] is None


def test_what_is_missing_is_counted_and_said(whole, tmp_path):
    rows = check_voc(whole.root, counts={"train": 2, "train_aug": 3, "val": 1, "test": 1456})
    assert rows["train"]["problems"] == ["1 ids in place of 2: use the official list"]
    assert "no list train_aug.txt: give --sbd DIR" in rows["train_aug"]["problems"][0]
    assert "no list test.txt: its images come from the VOC evaluation server" in rows["test"]["problems"][0]
    (whole.root / "JPEGImages" / f"{B}.jpg").unlink()
    (whole.root / "SegmentationClass" / f"{B}.png").unlink()
    (whole.root / "Annotations" / f"{A}.xml").unlink()
    rows = check_voc(whole.root, counts={"train": 1, "val": 1})
    assert [rows["val"][key] for key in ("images_missing", "masks_missing", "tags_missing")] == [1, 1, 0]
    assert "1 tags are missing: Annotations/*.xml are in VOCtrainval" in rows["train"]["problems"][0]


def test_tags_of_two_sources_are_compared(whole, tmp_path):
    def labels(*tags):
        row = np.zeros(20, np.float32)
        row[list(tags)] = 1
        return row

    np.save(
        tmp_path / "cls_labels.npy", {2007000001: labels(7), 2007000002: labels(7, 14)}, allow_pickle=True
    )
    rows = check_voc(whole.root, counts={"train": 1, "val": 1}, labels=tmp_path / "cls_labels.npy")
    assert [rows[split]["tags_differ"] for split in ("train", "val")] == [0, 1]
    assert f"differ from the XML files for 1: {B}" in rows["val"]["problems"][0]


def test_the_folder_is_found_from_above(whole, tmp_path):
    (tmp_path / "data" / "VOCdevkit").mkdir(parents=True)
    whole.root.rename(tmp_path / "data" / "VOCdevkit" / "VOC2012")
    for start in ("data", "data/VOCdevkit", "data/VOCdevkit/VOC2012"):
        assert find_voc(tmp_path / start) == tmp_path / "data" / "VOCdevkit" / "VOC2012"
    with pytest.raises(
        DataError, match=r"expected VOC 2012 .*found none: give --root, or fetch it with wsss data voc"
    ):
        find_voc(tmp_path / "elsewhere")


def test_broken_masks_of_sbd_are_named(tmp_path):
    (tmp_path / "broken.mat").write_bytes(b"MATLAB 5.0 no more")
    savemat(tmp_path / "other.mat", {"GTinst": 1})
    savemat(tmp_path / "high.mat", {"GTcls": {"Segmentation": np.full((4, 6), 21, np.uint8)}})
    for name in ("broken", "other", "absent"):
        with pytest.raises(DataError, match=rf"expected SBD's GTcls at .*{name}\.mat, got"):
            read_sbd_mask(tmp_path / f"{name}.mat")
    with pytest.raises(DataError, match=r"expected \(H, W\) labels 0\.\.20 at .*high\.mat"):
        read_sbd_mask(tmp_path / "high.mat")
    with pytest.raises(DataError, match=r"expected SBD .*found none: give --sbd or --download"):
        convert_sbd(tmp_path, tmp_path)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(whole, tmp_path, monkeypatch):
    """The two archives on a local server, in the layout of the official ones."""
    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "voc.tar", "w") as archive:
        archive.add(whole.root, "VOCdevkit/VOC2012")
    with tarfile.open(served / "sbd.tgz", "w:gz") as archive:
        archive.add(whole.root.parent / "sbd" / "benchmark_RELEASE", "benchmark_RELEASE")
    handler = functools.partial(Quiet, directory=str(served))
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{http_server.server_port}"

    def md5(name):
        return hashlib.md5((served / name).read_bytes()).hexdigest()

    entry = {**DATASET_YEAR_DICT["2012"], "url": f"{base}/voc.tar", "md5": md5("voc.tar")}
    monkeypatch.setitem(DATASET_YEAR_DICT, "2012", entry)
    monkeypatch.setattr(SBDataset, "url", f"{base}/sbd.tgz")
    monkeypatch.setattr(SBDataset, "md5", md5("sbd.tgz"))
    yield http_server
    http_server.shutdown()
    http_server.server_close()


def test_both_archives_are_fetched_and_unpacked(server, tmp_path, capfd):
    root, sbd = tmp_path / "data" / "VOCdevkit" / "VOC2012", tmp_path / "data" / "sbd"
    download_voc(root, sbd)
    assert convert_sbd(root, sbd) == 4
    rows = check_voc(root, counts={"train": 1, "train_aug": 3, "val": 1})
    assert not any(row["problems"] for row in rows.values())
    assert capfd.readouterr().out == ""
    server.shutdown()
    download_voc(root, sbd)  # all is there: nothing is asked of the server


def test_a_wrong_checksum_and_no_connection_are_errors(server, tmp_path, monkeypatch):
    root = tmp_path / "data" / "VOCdevkit" / "VOC2012"
    monkeypatch.setitem(DATASET_YEAR_DICT["2012"], "md5", "0" * 32)
    with pytest.raises(DataError, match=r"expected to fetch http.*voc\.tar into .*corrupted.*run again"):
        download_voc(root, tmp_path / "data" / "sbd")
    assert not root.exists()
    monkeypatch.setitem(DATASET_YEAR_DICT["2012"], "url", "http://127.0.0.1:9/voc.tar")
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/voc\.tar into .*check the connection"):
        download_voc(root, tmp_path / "data" / "sbd")
    with pytest.raises(ConfigError, match="ends in VOCdevkit/VOC2012 for --download"):
        download_voc(tmp_path / "voc", tmp_path / "sbd")
