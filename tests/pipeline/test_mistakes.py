"""The mistakes that new users make most, each tried on the command line: what is said, and the exit status.

Status 2: the call itself shows that it cannot work; 1: what it asked for failed.
"""

import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

TABLE = "file,tags\na.jpg,cat\nb.jpg,cat;dog\nsub/c.png,dog\n"
# Folder -> its tags.csv.
TABLES = {
    "good": TABLE,
    "my photos": TABLE,
    "no-tags": None,
    "excel": "\ufefffile;tags\r\na.jpg;cat\r\nb.jpg;Cat,dog\r\nsub/c.png;DOG\r\n",
    "header": "image,label\na.jpg,cat\n",
    "absent": TABLE + "d.jpg,dog\n",
    "capital": TABLE.replace("a.jpg", "A.JPG"),
    "no-suffix": TABLE.replace("a.jpg", "a"),
    "twice": TABLE + "a.jpg,dog\n",
    "untagged": "file,tags\na.jpg,\nb.jpg,\n",
    "no-rows": "file,tags\n",
    "windows": TABLE.replace("sub/", "sub\\"),
    "whole-path": TABLE.replace("a.jpg", "/photos/a.jpg"),
    "cut": TABLE,
    "lying": TABLE,
    "heic": TABLE.replace("a.jpg", "a.heic"),
}
ALL = "plan all folder --data-root"
SET = f"{ALL} good --cfg-options"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folders of photos as people leave them; mistakes change none of them."""
    root = tmp_path_factory.mktemp("world")
    for name, table in TABLES.items():
        for number, file in enumerate(("a.jpg", "b.jpg", "sub/c.png")):
            path = root / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 255, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
        if table is not None:
            (root / name / "tags.csv").write_text(table, encoding="utf-8", newline="")
    (root / "cut" / "b.jpg").write_bytes((root / "good" / "b.jpg").read_bytes()[:300])
    turned = Image.Exif()
    turned[0x0112] = 6
    with Image.open(root / "good" / "a.jpg") as image:
        image.save(root / "lying" / "a.jpg", exif=turned)
    (root / "heic" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 99)
    (root / "old.csv").write_bytes("file,tags\na.jpg,Kätzchen\n".encode("latin-1"))
    (root / "VOC2012" / "JPEGImages").mkdir(parents=True)
    (root / "downloads").mkdir()
    return root


MISTAKES = [
    # Paths and data.
    (
        "plan all voc --data-root nowhere",
        2,
        "in {here}/nowhere, found none: put the data there (wsss data voc",
    ),
    ("plan all voc --data-root VOC2012", 1, "expected the folder ImageSets/Segmentation of data set voc in"),
    (
        f"{ALL} nowhere",
        2,
        "expected a folder with the images and tags.csv at {here}/nowhere, found none: name",
    ),
    (f"{ALL} good/tags.csv", 2, "good/tags.csv, found a file: name that folder (--data-root, dataset.root)"),
    (f"{ALL} my photos", 2, "Put a path with spaces in quotes"),
    (f"{ALL} 'my photos'", 0, "check images: 3/3"),
    (f"{SET} dataset.ground_truth=nowhere", 2, "found none: correct dataset.ground_truth, or leave it out"),
    ("data folder --images nowhere", 2, "at {here}/nowhere, found none: correct --images, or make it first"),
    (
        "data coco --root good",
        1,
        "instances_train2014.json, found no file: unpack annotations_trainvalYEAR.zip",
    ),
    # Tags.
    (f"{ALL} no-tags", 1, "no-tags/tags.csv, found no file: write it or set dataset.labels"),
    (f"{ALL} excel", 0, "cells are separated by semicolon"),
    (f"{ALL} excel", 0, "'DOG' and 'dog' are one class, 'dog'"),
    (f"{SET} dataset.labels={{here}}/old.csv", 1, "save it again as UTF-8 (Excel: 'CSV UTF-8')"),
    (f"{ALL} header", 1, "got image, label: add file and tags to its first line"),
    (f"{ALL} untagged", 1, "expected a tag for at least one image in"),
    (f"{ALL} no-rows", 1, "expected a row for each image in"),
    (f"{ALL} twice", 1, "got a.jpg and a.jpg (line 5): keep one of them"),
    (f"{SET} dataset.classes=\"['cat']\"", 1, "got 1: dog: correct them or add them to dataset.classes"),
    # Images.
    (f"{ALL} absent", 1, "missing 1: d.jpg: add them or take them out of"),
    (f"{ALL} capital", 1, "missing 1: A.JPG: did you mean 'a.jpg'?"),
    (f"{ALL} no-suffix", 1, "missing 1: a: did you mean 'a.jpg'?"),
    (f"{ALL} windows", 1, "write it without a leading /, without .. and with / between folders"),
    (f"{ALL} whole-path", 1, "write it without a leading /"),
    (f"{ALL} cut", 1, "cut/b.jpg, got: Truncated File Read: replace the file (BMP, GIF, JPEG, "),
    ("data folder --images heic", 1, "a.heic, got: cannot identify image file 'the file': replace the file"),
    (
        f"{ALL} lying",
        0,
        "the headers of 1 images: a ask for a rotation; images are turned upright, and so are",
    ),
    (
        f"{ALL} lying --exif keep",
        0,
        "images are used as they are stored, and seeds and masks lie as these do",
    ),
    (f"{ALL} lying --exif raw", 2, "'raw' is not one of 'apply', 'keep'"),
    ("plan all voc --exif keep", 2, "expected --exif with your own images (folder), got voc: leave it out"),
    # Words of the call.
    ("rum all demo", 2, "No such command 'rum'. Did you mean 'run'?"),
    ("refine folder", 2, "expected a verb, got the stage 'refine': wsss run refine folder"),
    ("run demo all", 2, "got 'demo': did you mean 'all demo'?"),
    ("run seed demo", 2, "got 'seed': did you mean 'seeds demo'?"),
    (
        "run all dmeo",
        2,
        "expected the name of a preset of the stage seeds, got 'dmeo': did you mean 'demo'? choose out of",
    ),
    ("run all VOC", 2, "did you mean 'voc'?"),
    ("run all demo_boxes", 2, "got 'demo_boxes': that is one of the stage seeds; choose out of coco,"),
    ("status dmeo", 2, "did you mean 'demo'?"),
    ("run all demo --data_root good", 2, "No such option: --data_root (Possible options: --data-root)"),
    (f"{ALL} good train.epochs=1", 2, "settings behind --cfg-options as KEY=VALUE without spaces"),
    (f"{SET} train.epochs = 1", 2, "settings behind --cfg-options as KEY=VALUE without spaces"),
    # Settings.
    (f"{SET} train.epoch=1", 2, "got 'train.epoch' in --cfg-options: did you mean 'train.epochs'?"),
    (f"{SET} epochs=1", 2, "did you mean 'train.epochs'?"),
    (f"{SET} seed=1", 2, "did you mean 'random_seed'?"),
    (f"{SET} lr=1", 2, "did you mean 'optim_wrapper.optimizer.lr'?"),
    (f"{SET} train.epochs=two", 2, "seeds: expected train.epochs of type int (such as 12), got 'two'"),
    (f"{SET} train.epochs=0", 2, "seeds: expected train.epochs at least 1, got 0: correct 'train.epochs'"),
    (f"{SET} seeds.train.amp=fp16", 2, "(fp16 needs a GPU, bf16 does not), got 'fp16': correct 'train.amp'"),
    (f"{SET} seeds.model.backbone=ResNet50", 2, "did you mean 'resnet50'?"),
    (f"{SET} seeds.method=bass", 2, "expected a method out of"),
    (f"{ALL} good --split training", 1, "expected a split out of all of folder, got 'training': choose one"),
    (f"{ALL} good --work-dir good/tags.csv", 2, "good/tags.csv is a file: change --work-dir"),
    # Weights.
    (
        f"{ALL} good --weights nowhere.pth",
        2,
        "nowhere.pth, found no file: correct 'pretrained' or put it",
    ),
    (
        f"{ALL} good --weights good/a.jpg",
        2,
        "got: other things than tensors: replace it with backbone weights",
    ),
    # Order of the stages, and what they read.
    ("run refine folder --data-root good", 1, "(refine needs it: tools/run_stage.sh seeds folder)"),
    ("run segment folder --data-root good", 1, "(segment needs it: tools/run_stage.sh refine folder)"),
    ("run refine folder --data-root good --seeds nowhere", 2, "correct --seeds, or make it first"),
    (
        "run segment folder --data-root good --masks good",
        1,
        "expected manifest.json in {here}/good, found none",
    ),
    ("run refine folder --data-root good --masks good", 2, "refine folder reads seeds, leave it out"),
    (
        "evaluate nowhere folder --data-root good",
        2,
        "expected a file or folder at {here}/nowhere, found none:",
    ),
    (
        "predict good/a.jpg good --out o",
        1,
        "got: other things than tensors: give a file of wsss pack, or the",
    ),
    ("import seeds good out --format npy", 2, "expected a format out of irn, puzzle"),
    (
        "report folder --work-dir good",
        1,
        "expected published artifacts in {here}/good, found none: run a stage",
    ),
]


@pytest.mark.parametrize(
    ("command", "status", "said"), MISTAKES, ids=[f"{one[0]}: {one[2][:12]}" for one in MISTAKES]
)
def test_a_mistake_is_told_with_what_to_do(invoke_line, world, command, status, said):
    before = sorted(world.rglob("*"))
    code, _, stderr = invoke_line(command)
    assert (code, said.format(here=world) in stderr) == (status, True), stderr
    assert "Traceback" not in stderr
    assert sorted(world.rglob("*")) == before, "a refused call makes nothing"


@pytest.fixture
def invoke_line(invoke, monkeypatch, world, tmp_path):
    """Run one line in the world of the mistakes; what is made by default goes elsewhere."""
    monkeypatch.chdir(world)
    monkeypatch.setattr("wsss.cli.run.PROJECT_ROOT", tmp_path)

    def run(line):
        return invoke(*shlex.split(line.format(here=world)))

    return run


def test_a_disk_that_is_full_is_told_before_anything_is_made(invoke_line, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**20))
    code, _, stderr = invoke_line(f"{ALL} good")
    assert code == 1
    assert "GiB free in" in stderr
    assert "found 0.0 GiB: free space or change --work-dir" in stderr


def test_weights_that_cannot_be_downloaded_are_told_before_anything_is_made(
    invoke_line, monkeypatch, world, tmp_path
):
    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(world / "downloads"))
    code, _, stderr = invoke_line("run seeds folder --data-root good --cfg-options model.backbone=resnet18")
    assert code == 2
    assert "expected to download the ImageNet weights of resnet18 from" in stderr
    assert "Network is unreachable: " in stderr
    assert not list(tmp_path.rglob("*.npz"))
