"""Methods for localisation end to end: few images, one epoch, seeds that later stages and scores take."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from seeds.fuse import fuse_foreground, normalize
from seeds.methods.ornet import FineStage
from seeds.stage import STAGE
from wsss.artifacts import Artifact, read_seed
from wsss.backbones import build_backbone
from wsss.cli.stages import load_config
from wsss.config import Settings
from wsss.datasets import DataSet, build_dataset
from wsss.engine import run_stage
from wsss.errors import DataError, WsssError
from wsss.evaluate_boxes import score_boxes, seed_reader
from wsss.thresholds import Threshold

COMMON = (
    "model.backbone=plain8", "model.pretrained=None", "train.resize=40", "train.crop=32", "train.epochs=1",
    "train.batch_size=3", "train.num_workers=0", "infer.scales=(1.0,)", "infer.flip=True", "infer.resize=32",
    "infer.logits=True",
)  # fmt: skip
FREE = ("model.frozen_levels=0", "model.batch_norm=train", "model.heads=4")
METHODS = {
    "bas_localization": (),
    "bas_localization-best": ("infer.top_k=2",),
    "bcam": FREE,
    "bcam-cub": (*FREE, "model.layout=cub", "infer.rule=gradient_difference", "infer.threshold=0"),
    "bcam-difference": (*FREE, "infer.rule=difference", "infer.threshold=0"),
    "fam": ("infer.ten_crops=True",),
    "ornet": (
        "model.output_stride=16", "model.generator_channels=(8,8,8)",
        "model.evaluator.backbone=plain8", "model.evaluator.pretrained=None",
        "train.evaluator.epochs=1", "train.fine.epochs=1",
    ),
}  # fmt: skip
SETTINGS = {name: (*COMMON, *own) for name, own in METHODS.items()}
SETTINGS["bas"] = tuple(one for one in COMMON if not one.startswith("infer.resize"))
SETTINGS["combine"] = ("reads=['seeds-bcam','seeds-fam']",)
KINDS = {name: "agnostic" for name in ("bas_localization-best", "fam", "ornet")} | {
    name: "signed" for name in ("bcam-cub", "bcam-difference")
}


@dataclasses.dataclass(frozen=True)
class Run:
    """A published artifact and its data set."""

    artifact: Artifact
    dataset: DataSet


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A folder for the data, which are made once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def run(roots, tmp_path, caplog):
    caplog.set_level("INFO", "wsss")

    def run(name, *options, kind="demo_boxes", variant=""):
        sizes = {"train": 6, "val": 3, "side": 96, "random_seed": 0}
        settings = {"type": kind, "name": kind, "root": str(roots / kind), **sizes}
        preset = tmp_path / "preset.py"
        splits = {"train_split": "train", "val_split": "val"}
        preset.write_text(f"method = {name.partition('-')[0]!r}\ndataset = {settings | splits}\n")
        config = load_config("seeds", "-", path=preset, options=(*SETTINGS[name], *options))
        artifact = run_stage(
            STAGE, Settings(config), dataset_name=kind, work_dir=tmp_path / "work", variant=variant
        )
        return Run(artifact, build_dataset(settings))

    return run


@pytest.mark.parametrize("name", METHODS)
def test_images_of_one_class_get_seeds_that_are_scored(name, run):
    made = run(name)
    kind = KINDS.get(name, "class")
    assert made.artifact.manifest["maps"] == kind
    for image_id in made.dataset.ids("train"):
        seed = read_seed(made.artifact.file(image_id))
        assert seed.classes.tolist() == list(made.dataset.tags(image_id))
        assert (seed.foreground is not None) == (kind == "agnostic")
        assert (seed.outside is not None) == (kind == "signed")
        assert seed.logits.shape == (len(made.dataset.classes),)
    ids = made.dataset.ids("train")
    read = seed_reader(made.artifact, made.dataset, ids)
    scores = score_boxes(read, made.dataset, "train", threshold=Threshold(0.5, "default"))
    rules = {row["rule"]: row for row in scores.rows()}
    assert rules["largest component (BAS)"]["chosen_by"] == "default"
    assert rules["all contours (MaxBoxAccV2)"]["chosen_by"] == "oracle, train"
    assert all(row["top1"] <= row["iou_50"] for row in rules.values() if row["top1"] is not None)
    # Later stages may start from the backbone.
    build_backbone("plain8", pretrained=made.artifact.backbone())


def test_trainings_in_turn_continue_with_the_one_that_was_interrupted(run, tmp_path, caplog, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FineStage, "training_losses", stop)
        with pytest.raises(KeyboardInterrupt):
            run("ornet")
    train = tmp_path / "work/seeds/train"
    assert sorted(one.parent.name for one in train.glob("*/network.pth")) == ["coarse", "evaluator"]
    caplog.clear()
    made = run("ornet")
    assert "train ornet coarse: already trained" in caplog.text
    assert "train ornet evaluator: already trained" in caplog.text
    assert "train ornet fine: step 2/2" in caplog.text
    assert len(made.artifact.ids) == 6


def test_another_rule_keeps_the_training(run, caplog):
    run("bcam")
    caplog.clear()
    made = run("bcam", "infer.rule=difference", "infer.threshold=0")
    assert "already trained" in caplog.text
    assert made.artifact.manifest["maps"] == "signed"


@pytest.mark.parametrize("name", ["bas", "fam"])
def test_seeds_of_another_split_keep_the_training(name, run, caplog):
    run(name)
    caplog.clear()
    made = run(name, "infer.split=val")
    assert f"train {name}: already trained" in caplog.text
    assert (made.artifact.split, made.artifact.ids) == ("val", made.dataset.ids("val"))
    caplog.clear()
    assert run(name).artifact.ids == made.dataset.ids("train")
    assert f"train {name}: already trained" in caplog.text


@pytest.mark.parametrize("name", ["bcam-difference", "fam", "ornet"])
def test_several_tags(name, run):
    made = run(name, kind="demo")
    several = 0
    for image_id in made.artifact.ids:
        seed, tags = read_seed(made.artifact.file(image_id)), made.dataset.tags(image_id)
        several += len(tags) > 1
        has_class_maps = name == "bcam-difference" or len(tags) == 1
        assert seed.classes.tolist() == (list(tags) if has_class_maps else [])
    assert several


@pytest.mark.parametrize("how", ["replace", "average"])
def test_a_class_agnostic_map_lowers_the_class_maps_of_other_seeds(how, run):
    plain = run("bcam", kind="demo", variant="bcam")
    agnostic = run("fam", kind="demo", variant="fam")
    made = run("combine", f"infer.fuse={how}", kind="demo")
    for image_id in made.artifact.ids:
        before, after = read_seed(plain.artifact.file(image_id)), read_seed(made.artifact.file(image_id))
        assert after.classes.tolist() == before.classes.tolist()
        foreground = read_seed(agnostic.artifact.file(image_id)).foreground
        fused = fuse_foreground(normalize(before.maps), normalize(foreground[None])[0], how=how)
        # float16 in the files.
        np.testing.assert_allclose(after.maps, normalize(fused), atol=1e-3)
    assert "mIoU" in made.artifact.manifest["figures"]


@pytest.mark.parametrize("name", ["bas_localization", "bcam-cub"])
def test_several_tags_are_refused_or_left_out(name, run, tmp_path, caplog):
    with pytest.raises(
        DataError, match=r"expected one tag for each image of demo, got another number for \d"
    ):
        run(name, kind="demo")
    assert not (tmp_path / "work/seeds/train").exists()
    made = run(name, "train.several_tags=leave_out", "train.batch_size=1", kind="demo")
    assert "have one tag and are trained on" in caplog.text
    assert len(made.artifact.ids) == 6
    assert all(len(read_seed(made.artifact.file(one)).classes) for one in made.artifact.ids)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "bcam",
            ("infer.rule=difference",),
            "expected infer.threshold=0 with infer.rule='difference', got 0.15",
        ),
        ("bcam", ("infer.rule=largest",), "expected infer.rule one of 'cam', .*got 'largest'"),
        ("fam", ("infer.split=vla",), "expected a split out of train, val of demo_boxes, got 'vla'"),
        ("fam", ("train.momentum=0",), "expected train.momentum above 0 with train.nesterov=True, got 0"),
        ("fam", ("model.assumptions.part_kernel=2",), "expected an odd part_kernel, got 2"),
        (
            "bas_localization",
            ("infer.top_k=9",),
            "expected infer.top_k at most 6, the number of classes, got 9",
        ),
        (
            "bas_localization",
            ("train.layer_decay=0.5",),
            "expected train.layer_decay=1 with method 'bas_local",
        ),
        ("bas_localization", ("model.backbone=resnet18",), "expected model.backbone one of 'vgg16'"),
        (
            "ornet",
            ("model.settings=both",),
            "expected model.settings one of 'paper', 'code', got 'both'",
        ),
        ("ornet", ("train.fine.epochs=0",), "expected train.fine.epochs"),
        ("ornet", ("model.generator_channels=(8,8)",), r"expected three .*channels, got \(8, 8\)"),
        ("ornet", ("model.evaluator.backbone=plain9",), "expected a backbone out of .*got 'plain9'"),
    ],
)
def test_settings_that_cannot_be_are_refused(name, options, message, run, tmp_path):
    with pytest.raises(WsssError, match=message):
        run(name, *options)
    assert not (tmp_path / "work/seeds").exists()


LISTS = {
    "image_ids": "a/1.png\nb/2.png\n",
    "class_labels": "a/1.png,0\nb/2.png,1\n",
    "localization": "a/1.png,1,2,10,12\nb/2.png,1,2,10,12\n",
}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(
            {"class_labels": "a/1.png,0\na/1.png,1\nb/2.png,1\n"},
            r"expected one class for each image in .*, got more rows for 1: a/1.png: an image of a local",
            id="two-tags",
        ),
        pytest.param(
            {"localization": "a/1.png,1,2,10,12\nb/2.png,1,2,40,12\n"},
            r"expected boxes x0 y0 x1 y1 inside their images in split train .*, got others for 1: b/2.png",
            id="box-outside",
        ),
        pytest.param(
            {"class_labels": "a/1.png,0\nc/3.png,1\n"},
            r"a row for each image of image_ids.txt and no others, got none for 1: b/2.png and others for 1",
            id="other-ids",
        ),
        pytest.param(
            {"class_labels": "a/1.png,0\nb/2.png,2\n"},
            r"expected images of all 3 classes in split train of wsol, got none of 1: class 2",
            id="class-without-images",
        ),
    ],
)
def test_faulty_lists_are_one_line_before_anything_is_trained(fault, message, tmp_path):
    for image_id in ("a/1.png", "b/2.png"):
        (tmp_path / "data" / image_id).parent.mkdir(parents=True)
        Image.new("RGB", (30, 20)).save(tmp_path / "data" / image_id)
    metadata = tmp_path / "data/metadata/train"
    metadata.mkdir(parents=True)
    for name, text in (LISTS | fault).items():
        (metadata / f"{name}.txt").write_text(text)
    settings = {"type": "wsol", "root": str(tmp_path / "data"), "train_split": "train", "val_split": "train"}
    preset = tmp_path / "preset.py"
    preset.write_text(f'method = "bas_localization"\ndataset = {settings}\n')
    config = load_config("seeds", "-", path=preset, options=COMMON)
    with pytest.raises(DataError, match=message) as caught:
        run_stage(STAGE, Settings(config), dataset_name="wsol", work_dir=tmp_path / "work")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "work/seeds").exists()
