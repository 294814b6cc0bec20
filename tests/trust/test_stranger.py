"""A work folder from a stranger: every verb opens it, nothing of it runs, nothing outside it changes."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segment.network import plain_model
from segment.submit import predict_split
from wsss.artifacts import MANIFEST, open_artifact, write_json, write_mask, write_seed
from wsss.config_data import read_config_data
from wsss.datasets import FolderDataSet
from wsss.errors import ArtifactError
from wsss.folder import UNFINISHED, begin_folder, continue_folder, log_file, only_run

SIZE = (20, 30)
# Ends a table, draws on the terminal, starts a script, a formula, rich's markup and a shell's command.
NAME = "</td><script>alert(1)</script>$\\frac[/red]\x1b[2J\u202e`touch x`'\""


class Runs:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "it ran"


@pytest.fixture
def images(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for name in "ab":
        Image.new("RGB", SIZE[::-1], "gray").save(root / f"{name}.png")
        write_mask(tmp_path / "truth" / f"{name}.png", np.ones(SIZE, np.uint8))
    (root / "tags.csv").write_text("file,tags\na.png,cat\nb.png,cat;dog\n")
    return root


def publish(folder, kind, **more):
    manifest = {
        "schema": 1,
        "kind": kind,
        "split": "all",
        "image_ids": ["a", "b"],
        "key": kind,
        "classes": ["cat"],
        "settings": {NAME: NAME},
        "inputs": {f"input {NAME}": NAME},
        "figures": {"mIoU": 0.5, "per_class_iou": {NAME: 0.5}},
        "thresholds": {NAME: {"value": 0.5, "chosen_by": NAME}},
        "initialisation": NAME,
        "code": NAME,
        "finished": NAME,
    }
    write_json(folder / MANIFEST, manifest | more)


def poison(folder, marker):
    """Everything that a stage may look for in its folder, each as code."""
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    model = {"type": "pathlib.Path.touch", "self": str(marker)}
    (folder / "train").mkdir(parents=True, exist_ok=True)
    (folder / "config.py").write_text(f"{code}model = {model!r}\ninfer = dict()\n")
    for name in ("sitecustomize.py", "conftest.py", "__init__.py"):
        (folder / name).write_text(code)
    evil = pickle.dumps(Runs(marker))
    for name in ("network.pth", "backbone.pth", "epoch_1.pth", "iter_1.pth"):
        (folder / "train" / name).write_bytes(evil)
    (folder / "train" / "last_checkpoint").write_text(str(folder / "train" / "epoch_1.pth"))
    (folder / "train" / "chosen.json").write_bytes(evil)


@pytest.fixture
def work(tmp_path, marker):
    work = tmp_path / "work"
    for image_id in "ab":
        maps = np.full((1, 5, 8), 0.5)
        write_seed(work / "seeds" / f"{image_id}.npz", classes=np.array([1]), maps=maps, size=SIZE)
        write_mask(work / "masks" / f"{image_id}.png", np.ones(SIZE, np.uint8))
        write_mask(work / "segment" / "predictions" / "all" / f"{image_id}.png", np.ones(SIZE, np.uint8))
    for kind in ("seeds", "masks", "segment"):
        publish(work / kind, kind)
        poison(work / kind, marker)
        publish(work / f"{kind}-odd", kind, split="../../out")
    poison(work / "masks-half", marker)
    write_json(
        work / "masks-half" / UNFINISHED, {"key": NAME, "settings": NAME, "seconds": [], "count": NAME}
    )
    (work / ".contents.json").write_text('{"a": 1, "b": [1]}')
    return work


def test_every_verb_opens_it_and_runs_nothing(work, images, marker, invoke, tmp_path):
    root = ("--data-root", images)
    here = ("--work-dir", work)
    truth = ("--cfg-options", f"dataset.ground_truth={tmp_path / 'truth'}")
    outside = sorted(one for one in tmp_path.iterdir() if one != work)
    calls = [
        (("status", "folder", *here, *root), 0),
        (("status", "folder", *here, *root, "--json"), 0),
        (("report", "folder", *here, *root), 0),
        (("evaluate", work / "seeds", "folder", *root, *truth), 0),
        (("evaluate", work / "seeds", "folder", *root, *truth, "--sweep"), 0),
        (("evaluate", work / "masks", "folder", *root, *truth), 0),
        (("evaluate", work / "masks", "folder", *root, *truth, "--sweep"), 1),
        (("evaluate", work / "segment", "folder", *root, *truth), 0),
        (("export", "seeds", work / "seeds", tmp_path / "out1", "--format", "irn"), 0),
        (("export", "masks", work / "segment", tmp_path / "out2", "--format", "mmseg"), 0),
        (("export", "masks", work / "masks-odd", tmp_path / "out3", "--format", "mmseg"), 1),
        (("import", "seeds", work / "seeds", tmp_path / "out4", "--format", "npz"), 0),
        (("import", "masks", work / "masks", tmp_path / "out5", "--format", "voc"), 0),
        (("plan", "all", "folder", *here, *root, "--weights", "none"), 0),
        (("submit", "voc", *here, *root), 1),
        (
            (
                "run",
                "segment",
                "folder",
                *here,
                *root,
                "--weights",
                work / "segment" / "train" / "network.pth",
            ),
            2,
        ),
    ]
    for arguments, status in calls:
        code, out, err = invoke(*arguments)
        assert code == status, (arguments, err)
        assert "Traceback" not in err
        assert "\x1b" not in out + err
        assert "\u202e" not in err
        assert not marker.exists(), arguments
    made = {tmp_path / f"out{number}" for number in range(1, 6)}
    assert {one for one in tmp_path.iterdir() if one != work} - {*outside} <= made
    page = (work / "report.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1  # the page's own
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_a_published_config_is_read_and_not_run(tmp_path, marker):
    file = tmp_path / "config.py"
    refused = [
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()",
        f"a = open({str(marker)!r}, 'w')",
        "a = [x for x in ()]",
        "a = dict(**open('/dev/null'))",
        "a = {**{}}",
        "a.b = 1",
        "a = b = 1",
        "def f(): pass",
        "a = (",
        "a = " + "(" * 3000,
        "a = '\ud800'".encode("utf-8", "surrogatepass").decode("latin1") + "\0",
    ]
    for text in refused:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactError, match=r"expected a config of plain values at .*config\.py, got: "):
            read_config_data(file)
    assert not marker.exists()
    file.write_text("a = dict(b=[1, -2.5, (None, True)], **{'c d': 'e'})\nf = dict({'g': 1e-08})\n")
    assert read_config_data(file) == {
        "a": {"b": [1, -2.5, (None, True)], "c d": "e"},
        "f": {"g": 1e-08},
    }


def test_a_network_of_a_published_config_is_made_of_registered_parts(tmp_path, marker):
    source = tmp_path / "config.py"
    for kind in ("pathlib.Path.touch", "os", "subprocess.Popen", "mmseg.NoSuch", 3):
        model = {"type": "EncoderDecoder", "decode_head": {"losses": [{"type": kind, "self": str(marker)}]}}
        with pytest.raises(ArtifactError, match="expected registered networks and layers in"):
            plain_model(model, source)
    assert not marker.exists()
    initial = {"init_cfg": {"type": "Pretrained", "checkpoint": "http://127.0.0.1:9/x.pth"}}
    model = {"type": "EncoderDecoder", "pretrained": "x", "backbone": {"type": "CutBackbone", **initial}}
    assert plain_model(model, source) == {"type": "EncoderDecoder", "backbone": {"type": "CutBackbone"}}


def test_a_poisoned_network_is_not_predicted_with(work, images, marker):
    with pytest.raises(ArtifactError, match="expected a config of plain values"):
        predict_split(work / "segment", FolderDataSet(images), "all")
    (work / "segment" / "config.py").write_text(
        f"model = dict(type='pathlib.Path.touch', self={str(marker)!r})\ninfer = dict(crf=False)\n"
    )
    with pytest.raises(ArtifactError, match=r"got type 'pathlib\.Path\.touch': do not use this folder"):
        predict_split(work / "segment", FolderDataSet(images), "all")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("image_ids", ["../a"]),
        ("image_ids", ["/a"]),
        ("image_ids", ["a\n"]),
        ("image_ids", [""]),
        ("image_ids", [1]),
        ("image_ids", "ab"),
        ("split", "../x"),
        ("split", "a/b"),
        ("split", 3),
        ("key", None),
        ("settings", []),
        ("thresholds", "x"),
        ("classes", [1]),
        ("kind", ["seeds"]),
        ("figures", {"mIoU": "high"}),
        ("figures", {"mIoU": float("nan")}),
        ("figures", {"per_class_iou": {"cat": [1]}}),
        ("figures", {"per_class_iou": 1}),
    ],
)
def test_odd_manifests_are_refused(work, entry, value):
    file = work / "seeds" / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | {entry: value}))
    with pytest.raises(ArtifactError, match=r"expected .* in .*manifest\.json, got .*"):
        open_artifact(work / "seeds")


@pytest.mark.parametrize(
    "takes",
    [
        {"from": "..", "parts": ["secret"]},
        {"from": "seeds.previous", "parts": ["../secret"]},
        {"from": "seeds.previous", "parts": [".."]},
        {"from": "seeds.previous", "parts": "secret"},
        {"from": "secret", "parts": ["train"]},
        "secret",
    ],
)
def test_an_interrupted_run_takes_over_no_folder_but_its_own(tmp_path, takes):
    out = tmp_path / "work" / "seeds"
    (tmp_path / "work" / "secret" / "train").mkdir(parents=True)
    (tmp_path / "work" / "seeds.previous" / "train").mkdir(parents=True)
    begin_folder(out, {"key": "k"}, [])
    write_json(out / UNFINISHED, {"key": "k", "takes_over": takes})
    continue_folder(out, {"key": "k"})
    assert [one.name for one in out.iterdir()] == [UNFINISHED]


def test_nothing_is_written_through_links(tmp_path):
    out, secret = tmp_path / "work" / "seeds", tmp_path / "secret"
    secret.mkdir()
    begin_folder(out, {"key": "k"}, [])
    (out / "train").symlink_to(secret)
    with pytest.raises(
        ArtifactError, match=r"expected a file or folder of its own at .*train, got a link to"
    ):
        continue_folder(out, {"key": "k"})
    for name, opened in (("seeds.log", log_file(out)), (".seeds.lock", only_run(out.parent, "seeds"))):
        (out.parent / name).symlink_to(secret / "made")
        with pytest.raises(ArtifactError, match="got a link to"), opened:
            pass
    assert not any(secret.iterdir())


def test_a_checkpoint_neither_runs_its_config_nor_deletes_what_it_names(tmp_path, marker):
    # As in tests/wsss/test_training.py; imported there by path, as tests are no package.
    from mmengine.hooks import Hook

    from wsss.training import Schedule, train_network

    class Points(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return {"x": torch.ones(1)}

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = torch.nn.Linear(1, 1)
            self.steps = []

        def training_losses(self, batch, *, step):
            self.steps.append(step)
            return {"loss": self.slope(batch["x"]).square().mean()}

    class Stop(Hook):
        priority = "LOWEST"

        def after_train_epoch(self, runner):
            raise KeyboardInterrupt

    def train(network, *hooks):
        schedule = Schedule(3, 4, 0.01, 0.0, 0.0, num_workers=0)
        groups = [{"params": list(network.parameters())}]
        settings = {"schedule": schedule, "parameter_groups": groups, "random_seed": 0, "hooks": hooks}
        train_network(network, Points(), out_dir=tmp_path / "train", description="line", **settings)

    with pytest.raises(KeyboardInterrupt):
        train(Line(), Stop())
    (file,) = (tmp_path / "train").glob("epoch_*.pth")
    checkpoint = torch.load(file, weights_only=False)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept.pth").write_text("mine")
    checkpoint["meta"]["config"] = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    runtime = checkpoint["message_hub"]["runtime_info"]
    runtime["best_ckpt"] = str(victim)
    runtime["keep_ckpt_ids"] = [f"/../../victim/{one}" for one in "abc"]
    torch.save(checkpoint, file)
    moved = tmp_path / "elsewhere.pth"
    shutil.copy(file, moved)
    # Only the name counts: what it leads to elsewhere is not looked at.
    (tmp_path / "train" / "last_checkpoint").write_text(f"http://127.0.0.1:9/{file.name}")
    network = Line()
    train(network)
    assert network.steps == [1, 2]
    assert not marker.exists()
    assert (victim / "kept.pth").read_text() == "mine"
