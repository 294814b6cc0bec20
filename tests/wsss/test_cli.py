"""The command line: verbs, and errors of one line with a status and no traceback."""

import errno
import json
import multiprocessing
import re
import shlex
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from wsss.artifacts import read_mask, write_mask
from wsss.cli import app
from wsss.cli import evaluate as evaluate_verb
from wsss.cli import plan as plan_verb
from wsss.cli import status as status_verb
from wsss.datasets import DemoBoxesDataSet
from wsss.evaluate import THRESHOLDS
from wsss.paths import PROJECT_ROOT


@pytest.fixture
def call(invoke):
    """As `invoke`, but gives (exit status, stderr) alone."""

    def run(*arguments):
        code, _, stderr = invoke(*arguments)
        return code, stderr

    return run


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("run", "seeds", "demo", "--cfg-options", "random_seed=1", "train.epoch=1"),
            2,
            "did you mean 'train.epochs'",
        ),
        (("run", "seeds", "demo", "--cfg-options", "random_seed=1", "stray"), 2, "unexpected extra argument"),
        (("run", "all", "demo", "--config", "mine.py"), 2, "expected one stage with --config, got all"),
        (("run", "seeds"), 2, "Missing argument"),
        (("evaluate", ".", "demo"), 1, "expected manifest.json in ."),
        (("evaluate", "boxes", "maps", "demo"), 2, "expected a localisation set such as voc_boxes, got demo"),
        (("evaluate", "boxes", "maps", "cubs"), 2, "expected a preset of a data set at"),
        (("evaluate", "boxes", "maps", "cub", "--threshold", "1"), 2, "expected --threshold in [0, 1)"),
        (("evaluate", "boxes", "maps"), 2, "Missing argument"),
        (("run", "seeds", "voc", "--cfg-options", "dataset.root=3"), 2, "expected dataset.root of type str"),
        (("run", "seeds", "voc", "--cfg-options", "train=3"), 2, "expected a table for train, got 3"),
        (("data", "coco", "--preset", "cocos"), 2, "expected a preset of a data set at"),
        (("data", "voc", "--root", "nowhere"), 1, "fetch it with wsss data voc --download"),
        (("data", "folder"), 2, "Missing option '--images'"),
        (("import", "seeds", "nowhere", "out", "--format", "irn"), 2, "nowhere, found none: correct SRC"),
        (("import", "seeds", ".", "out", "--format", "inr"), 2, "expected a format out of irn, puzzle"),
        (("export", "masks", ".", "out", "--format", "voc"), 1, "expected manifest.json in ."),
        (("config", "show", "seeds", "dmeo"), 2, "choose out of"),
        (("status", "--work-dir", "x"), 2, "expected a data set with these options"),
        (("report", "demo", "--work-dir", "x"), 1, "expected published artifacts in"),
        (("compare", ".", "."), 1, "expected published artifacts in"),
        (("compare", "x", "."), 2, "x, found none: correct FIRST, or make it first"),
    ],
)
def test_errors_are_one_line_with_a_status(call, arguments, status, message):
    code, stderr = call(*arguments)
    assert code == status
    assert message in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "all", "demo"), "interrupted: the same command goes on where it stopped: wsss run all demo"),
        (("status",), "interrupted: the same command begins again: wsss status"),
    ],
)
def test_an_interrupted_verb_says_what_to_call(call, monkeypatch, words, said):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("wsss.cli.run.make_plan", interrupt)
    monkeypatch.setattr("wsss.cli.status._all_folders", interrupt)
    code, stderr = call(*words)
    assert code == 1
    assert said in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "x"),
            "expected room on the disk for x, got: No",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "expected to be allowed to use /x"),
        (
            RuntimeError("PytorchStreamWriter failed writing file"),
            "free space or change --work-",
        ),
        (torch.OutOfMemoryError("CUDA out of memory.\nMore"), "CUDA out of memory.: lower train.batch_size"),
        (MemoryError(), "lower num_workers or the size of the images"),
        (BrokenProcessPool("a child died"), "one killed, most often for want of memory: lower num_workers"),
    ],
)
def test_a_machine_at_its_end_is_one_line(call, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("wsss.cli.run.make_plan", fail)
    code, stderr = call("run", "all", "demo")
    assert code == 1
    assert said in stderr
    assert "Traceback" not in stderr


def test_the_sweep_of_seeds_shows_the_thresholds_that_people_compare(capsys):
    figures = {"mIoU": 0.5, "per_class_iou": {"cat": 0.5}, "images": 4}
    rows = [{"threshold": float(one), "chosen": "fixed", **figures} for one in THRESHOLDS]
    rows[47]["chosen"] = "oracle, train"
    evaluate_verb._print_sweep(SimpleNamespace(kind="seeds", split="train"), rows, as_json=False)
    shown = re.findall(r"^(0\.\d+) +50\.0", capsys.readouterr().out, re.MULTILINE)
    assert shown == ["0.1", "0.2", "0.3", "0.4", "0.47", "0.5", "0.6", "0.7", "0.8", "0.9"]


def test_tables_fit_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    figures = {"mIoU": 0.5, "false_positive": 0.1, "false_negative": 0.25, "images": 10582}
    rows = [
        {
            "background_score": 0.35,
            "seed_power": 10.0,
            "chosen": "preset seeds/voc_mini.py",
            **figures,
        },
        {"background_score": "per image", "seed_power": 10.0, "chosen": "oracle, train_aug", **figures},
    ]
    evaluate_verb._print_sweep(SimpleNamespace(kind="masks", split="train_aug"), rows, as_json=False)
    row = {"name": "segment-full", "state": "up to date", "why": [], "differs": [], "mIoU": 0.5}
    row |= {"split": "train_aug", "images": 10582, "inputs": ["masks", "seeds-cam"], "code": "0123456789ab"}
    row |= {"finished": "2026-11-26T07:31:56+00:00"}
    status_verb._print([row], title="x")
    row = {"stage": "segment", "artifact": "segment-bas_map-0-irn", "action": "run", "takes_over": ["train"]}
    row |= {"reasons": ["train_cfg.max_iters: 600 -> 300"], "reads": {"masks": "m", "seeds-cam": "s"}}
    row |= {"images": 10582, "seconds": 90000, "seconds_from": "last run", "bytes": 0, "downloads": []}
    plan_verb.print_plan([row])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for whole in (
        "segment-bas_map-0-irn",
        "masks, seeds-cam",
        "1 day, 1:00:00 (last run)",
        "segment-bas_map-0-irn: train_cfg.max_iters: 600 -> 300; it keeps train",
        "oracle, train_aug",
        "background",
        "false",
        "negative",
        "chosen",
        "images",
        "up to date",
        "10582 train_aug",
        "2026-11-26 ",
    ):
        assert whole in shown, whole


def verbs():
    """Every command with its words: ("data", "voc") -> click command."""
    found = {}

    def visit(command, words):
        below = getattr(command, "commands", None)
        if below is None:
            found[words] = command
        for name, one in (below or {}).items():
            # A verb may have two words: "evaluate boxes".
            visit(one, (*words, *name.split()))

    visit(typer.main.get_command(app), ())
    return found


def test_every_verb_has_a_help_with_an_example_and_json(invoke):
    assert {"run", "evaluate", "import", "export", "report", "data", "status", "doctor", "config"} <= {
        words[0] for words in verbs()
    }
    for words, command in verbs().items():
        assert command.help, words
        assert (command.epilog or "").startswith(f"Example: wsss {' '.join(words)}"), words
        assert "--json" in {one for option in command.params for one in option.opts}, words
    code, out, _ = invoke("data", "voc", "--help")
    assert code == 0
    assert "Example: wsss data voc" in out


def documented_commands():
    """Command lines of this project in the README, the how-to pages and the examples of --help."""
    examples = [command.epilog.removeprefix("Example: ") for command in verbs().values()]
    for file in (PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^```\w*\n(.*?)^```", file.read_text(encoding="utf-8"), re.M | re.S):
            examples += [line for line in block.replace("\\\n", " ").splitlines()]
    commands = [line.strip().replace("tools/run_stage.sh", "wsss run") for line in examples]
    return [line for line in commands if re.match(r"wsss \w", line) and "|" not in line]


def test_documented_commands_exist_with_their_options():
    commands = documented_commands()
    assert len(commands) > 15
    for line in commands:
        words = shlex.split(line, comments=True)[1:]
        fitting = [name for name in verbs() if tuple(words[: len(name)]) == name]
        command = verbs()[max(fitting, key=len)] if fitting else None
        assert command is not None, line
        known = {one for option in command.params for one in (*option.opts, *option.secondary_opts)} | {
            "--help"
        }
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.fixture
def photos(tmp_path):
    """Two images with tags."""
    root = tmp_path / "my photos"
    root.mkdir()
    for name in ("a 1.jpg", "b.png"):
        Image.new("RGB", (12, 8)).save(root / name)
    (root / "tags.csv").write_text("file,tags\na 1.jpg,cat\nb.png,cat;dog\n")
    return root


def test_a_folder_is_checked_and_the_next_command_is_told(invoke, photos):
    (photos / "c.webp").write_bytes(b"")
    code, out, err = invoke("data", "folder", "--images", "my photos")
    assert code == 0, err
    assert "left out, not in the table of tags, 1: c.webp" in err
    assert f"tools/run_stage.sh all folder --data-root '{photos}'" in err
    assert f"wsss masks '{photos}' --out 'my photos-masks'\n" in err
    assert out.startswith(f"2 images in {photos}\n")  # on one line, however long
    code, out, _ = invoke("data", "folder", "--images", photos, "--tags", "my photos/tags.csv", "--json")
    found = json.loads(out)
    assert (code, found["images"], found["images_per_class"]) == (0, 2, {"cat": 2, "dog": 1})
    assert found["command"].endswith(f" --cfg-options 'dataset.labels={photos / 'tags.csv'}'")
    Image.effect_noise((64, 64), 99).save(photos / "b.png")
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:999])
    code, _, err = invoke("data", "folder", "--images", photos)
    assert (code, "expected a whole image at" in err) == (1, True)


def test_masks_travel_through_the_command_line(invoke, photos, tmp_path):
    for name in ("a 1", "b"):
        write_mask(tmp_path / "gray" / f"{name}.png", np.full((8, 12), 2))
    options = ("--dataset", "folder", "--data-root", photos)
    code, out, err = invoke("import", "masks", "gray", "work/masks", "--format", "irn", *options, "--json")
    assert code == 0, err
    assert json.loads(out) == {"kind": "masks", "split": "all", "images": 2, "dir": "work/masks"}
    code, _, err = invoke("export", "masks", "work/masks", "out", "--format", "mmseg")
    assert (code, "masks of 2 images are in out" in err) == (0, True)
    assert read_mask(tmp_path / "out" / "SegmentationClassAug" / "a 1.png").max() == 2
    code, out, _ = invoke("status", "folder", "--work-dir", "work", "--data-root", photos, "--json")
    (row,) = json.loads(out)["folder"]
    assert (row["name"], row["inputs"], row["images"]) == ("masks", ["irn files"], 2)
    code, out, err = invoke("report", "folder", "--work-dir", "work", "--data-root", photos, "--json")
    assert code == 0, err
    assert json.loads(out)["artifacts"] == ["masks"]
    assert 'aria-label="enlarge a 1"' in (tmp_path / "work" / "report.html").read_text()
    figures = (
        "--csv",
        "figures.csv",
        "--latex",
        "figures.tex",
        "--page",
        "compare.html",
        "--dataset",
        "folder",
    )
    code, out, err = invoke("compare", "work", "work/masks", *figures, "--data-root", photos, "--json")
    assert code == 0, err
    assert json.loads(out) == {
        "figures": {"masks": []},
        "differences": [],
        "page": str(tmp_path / "compare.html"),
    }
    assert "A: masks → B: masks: most changed" in (tmp_path / "compare.html").read_text()
    assert (tmp_path / "figures.csv").read_text() == "figure\n"


def test_coco_is_built_and_told(invoke, tmp_path):
    annotations = {
        "images": [{"id": 1, "file_name": "x.jpg", "height": 8, "width": 8}],
        "categories": [{"id": 18, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 18, "area": 9, "segmentation": [[1, 1, 4, 1, 4, 4]]}
        ],
    }
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    for part in ("train2014", "val2014", "train2017", "val2017"):
        (tmp_path / "coco" / part).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "coco" / part / "x.jpg")
        (tmp_path / "coco" / "annotations" / f"instances_{part}.json").write_text(json.dumps(annotations))
    code, out, err = invoke(
        "data", "coco", "--root", "coco", "--year", "2017", "--num-workers", "1", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["val"]["images_per_class"] == {"dog": 1}
    # The preset is that of 2014, and so are its numbers of images.
    code, _, err = invoke("data", "coco", "--root", "coco", "--num-workers", "1")
    assert code == 1
    assert "expected 82081 images in split train of coco, got 1" in err
    assert (tmp_path / "coco" / "tags_train2014.json").is_file()


def test_a_part_of_an_artifact_is_scored_by_its_split(invoke, tmp_path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    rows = ["file,tags,split"]
    for number, (name, split) in enumerate([("a", "train"), ("b", "train"), ("c", "other")]):
        truth = np.zeros((8, 8), np.uint8)
        truth[:4] = 1
        write_mask(tmp_path / "truth" / f"{name}.png", truth)
        write_mask(masks / f"{name}.png", np.roll(truth, number, axis=0))
        photos.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(photos / f"{name}.png")
        rows.append(f"{name}.png,dog,{split}")
    (photos / "tags.csv").write_text("\n".join(rows))
    manifest = {"schema": 1, "kind": "masks", "split": "all", "key": "k", "image_ids": ["a", "b", "c"]}
    (masks / "manifest.json").write_text(json.dumps(manifest))
    options = ("--data-root", photos, "--cfg-options", f"dataset.ground_truth={tmp_path / 'truth'}")
    code, out, err = invoke("evaluate", masks, "folder", "--split", "train", "--json", *options)
    assert code == 0, err
    found = json.loads(out)
    # 64 + 48 of 128 pixels are right, 8 are missed and 8 are too many: 56 / 72 for both labels.
    assert (found["split"], found["images"], found["mIoU"]) == ("train", 2, round(56 / 72, 6))
    code, out, err = invoke("evaluate", masks, "folder", "--json", *options)
    found = json.loads(out)
    assert (found["split"], found["images"]) == ("all", 3)
    assert found["mIoU"] == round(72 / 120, 6)
    # Each label has 96 pixels, 96 predicted and 72 right.
    assert found["per_class_precision"] == {"background": 0.75, "dog": 0.75}
    assert found["mean_recall"] == 0.75
    code, out, _ = invoke("evaluate", masks, "folder", *options)
    assert [line.split()[1:-1:2] for line in out.splitlines() if " dog " in line] == [
        ["dog", "60.0", "75.0", "75.0"]
    ]
    code, out, err = invoke("evaluate", masks, "folder", "--split", "val", *options)
    assert code == 1
    assert "val" in err.splitlines()[-1]


def test_boxes_are_scored_beside_the_verb_for_masks(invoke, tmp_path):
    sizes = {"train": 6, "val": 2, "side": 96}
    DemoBoxesDataSet(tmp_path / "made", **sizes)
    options = ("--data-root", tmp_path / "made", "--cfg-options")
    options += tuple(f"dataset.{name}={value}" for name, value in sizes.items())
    code, _, err = invoke("evaluate", "boxes", "maps", "demo_boxes", *options)
    assert (code, "expected a score map ID.npy for each of 2 images" in err) == (1, True)
    (tmp_path / "maps").mkdir()
    for image_id in ("val_00000.jpg", "val_00001.jpg"):
        np.save(tmp_path / "maps" / image_id, np.ones((224, 224)))
    code, out, err = invoke("evaluate", "boxes", "maps", "demo_boxes", "--json", "--sweep", *options)
    assert code == 0, err
    found = json.loads(out)
    assert (found["images"], found["split"], len(found["sweep"])) == (2, "val", 100)
    whole = next(row for row in found["boxes"] if row["rule"] == "baseline: the whole image")
    fixed = next(row for row in found["boxes"] if row["rule"] == "largest contour")
    assert fixed["iou_30"] == whole["iou_30"]
    assert (fixed["threshold"], fixed["chosen_by"]) == (0.5, "default")
    code, out, _ = invoke("evaluate", "boxes", "maps", "demo_boxes", "--threshold", "0.2", *options)
    assert code == 0
    assert re.search(r"largest contour +0.2 +command line", out)
    assert "PxAP" in out


def test_localisation_sets_are_made_and_checked(invoke, tmp_path):
    code, out, err = invoke("data", "cub", "--root", "nowhere")
    assert code == 2
    assert "lists of data set cub (layout cub) in" in err
    assert "unpack CUB_200_2011.tgz" in err
    (tmp_path / "val").mkdir()
    for name, text in {"image_ids": "x.jpg", "class_labels": "x.jpg,0"}.items():
        (tmp_path / "val" / f"{name}.txt").write_text(text)
    code, out, err = invoke("data", "ilsvrc", "--root", ".", "--metadata", ".", "--json")
    rows = json.loads(out)["splits"]
    assert code == 1
    assert (rows["val"]["images"], rows["val"]["images_missing"], rows["test"]["images"]) == (1, 1, 0)
    assert "val: 1 images listed in place of 10000: use the official lists" in err
    assert "image-net.org after registration" in err


def test_config_show_tells_values_and_sources(invoke):
    code, out, _ = invoke("config", "show", "refine", "demo", "--cfg-options", "random_seed=7", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["random_seed"] == {"value": 7, "from": "--cfg-options"}
    assert found["dataset.side"] == {"value": 128, "from": "_base_/demo.py"}
    assert found["infer.steps"]["from"] == "refine/irn_plain8_demo.py"
    assert found["infer.beta"]["from"] == "method irn"
    code, out, _ = invoke("config", "show", "refine", "demo")
    assert "infer.beta = 10.0  # method irn" in out.splitlines()


def test_doctor_reports_as_json(invoke, monkeypatch):
    from wsss import doctor

    monkeypatch.setattr(doctor, "_data", lambda: [])
    code, out, _ = invoke("doctor", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == (1 if any(row["state"] == "bad" for row in rows.values()) else 0)
    assert rows["torch"]["state"] == "ok"


def test_ids_that_lead_out_of_a_folder_are_refused(invoke, tmp_path):
    write_mask(tmp_path / "secret.png", np.zeros((2, 2)))
    (tmp_path / "masks").mkdir()
    manifest = {"schema": 1, "kind": "masks", "split": "train", "image_ids": ["../secret"], "key": "k"}
    (tmp_path / "masks" / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = invoke("export", "masks", "masks", "out/deep", "--format", "voc")
    assert code == 1
    assert "image ids that stay in their folder in masks/manifest.json, got '../secret'" in err
    assert not (tmp_path / "out").exists()


def test_forked_workers_end_at_once(invoke):
    """A handler in Python would wait for the worker's next line, and what ends the worker with it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        invoke("doctor", "--help")
        assert callable(signal.getsignal(signal.SIGTERM))
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, context) as pool:
            assert pool.submit(signal.getsignal, signal.SIGTERM).result() == signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
