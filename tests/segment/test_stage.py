"""The stage on a tiny data set: what it publishes, what it reads, what it refuses."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from typer.testing import CliRunner

import wsss.cli.run as command
from segment.checks import LabelCheck
from segment.stage import STAGE, describe_training, masks_folder, run, seeds_backbone
from wsss.artifacts import MANIFEST, Artifact, read_mask, write_json, write_mask
from wsss.backbones import build_backbone
from wsss.cli import app
from wsss.errors import ArtifactError, ConfigError
from wsss.metrics import confusion_matrix, mean_iou
from wsss.stage import Job, run_stage


@pytest.fixture
def masks(demo, tmp_path):
    """Published masks: the ground truth less what lies in its upper half, and a rim of ignored pixels."""
    folder = tmp_path / "work" / "masks"
    for image_id in demo.ids("train"):
        mask = read_mask(demo.mask_path(image_id)).copy()
        mask[: len(mask) // 2] = 0
        mask[:3] = 255
        write_mask(folder / f"{image_id}.png", mask)
    manifest = {
        "schema": 1,
        "kind": "masks",
        "name": "masks",
        "split": "train",
        "image_ids": list(demo.ids("train")),
        "key": "k",
        "figures": {"mIoU": 0.5},
    }
    write_json(folder / MANIFEST, manifest)
    return Artifact(folder, manifest)


@pytest.fixture
def seeds(tmp_path):
    folder = tmp_path / "work" / "seeds"
    (folder / "train").mkdir(parents=True)
    torch.save(build_backbone("plain8").state_dict(), folder / "train" / "backbone.pth")
    return Artifact(folder, {"kind": "seeds", "split": "train", "image_ids": [], "key": "s"})


@pytest.fixture
def masks_config(tiny_config):
    tiny_config.supervision = "masks"
    tiny_config.reads = ("masks",)
    tiny_config.train_cfg.max_iters = 2
    return tiny_config


def test_stage_trains_on_masks_predicts_and_scores(masks_config, demo, masks, tmp_path):
    work = tmp_path / "work"
    artifact = run_stage(STAGE, masks_config, dataset_name="tiny", work_dir=work)
    assert artifact.split == "val"
    assert artifact.ids == demo.ids("val")
    scores = json.loads((work / "segment" / "scores.json").read_text())
    confusion = sum(
        confusion_matrix(read_mask(artifact.file(one)), read_mask(demo.mask_path(one)), len(demo.classes))
        for one in demo.ids("val")
    )
    # Published with six digits.
    assert scores["mIoU"] == pytest.approx(mean_iou(confusion), abs=1e-6)
    assert artifact.manifest["figures"]["mIoU"] == scores["mIoU"]
    assert set(scores["per_class_iou"]) == {"background", *demo.classes}
    assert scores["supervision"] == artifact.manifest["supervision"] == "masks"
    assert scores["masks"] == {
        "name": "masks",
        "key": "k",
        "split": "train",
        "mIoU": 0.5,
        "equal_to_ground_truth": 0,
        "compared_to_ground_truth": 6,
    }
    assert scores["initialisation"] == "random weights"
    assert scores["weights"] == "last iteration"
    assert scores["seed"] == 0
    assert 0.02 < scores["ignored_pixels"] < 0.04
    assert scores["seconds_per_prediction"]["network"] > 0
    table = (work / "segment" / "scores.md").read_text()
    assert f"| **mIoU** | {100 * scores['mIoU']:.1f} |" in table
    assert "- supervision: masks" in table
    assert Config.fromfile(work / "segment" / "config.py").model.decode_head.num_classes == 7
    assert scores["iterations"] == 2
    written = (work / "segment" / "train" / "network.pth").stat().st_mtime_ns
    run_stage(STAGE, masks_config, dataset_name="tiny", work_dir=work)
    assert (work / "segment" / "train" / "network.pth").stat().st_mtime_ns == written


def test_ground_truth_as_masks_is_refused_or_called_so(masks_config, demo, masks, tmp_path):
    for image_id in demo.ids("train"):
        write_mask(masks.file(image_id), read_mask(demo.mask_path(image_id)))
    job = Job(masks_config, demo, {"masks": masks}, tmp_path / "out")
    with pytest.raises(ArtifactError, match="got the ground truth for 6 of 6 images"):
        run(job)
    assert not (tmp_path / "out").exists()
    masks_config.allow_ground_truth = True
    result = run(job)
    assert result.extra["supervision"] == "full supervision"
    assert result.extra["masks"]["equal_to_ground_truth"] == 6
    assert "- supervision: full supervision" in (tmp_path / "out" / "scores.md").read_text()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"weights_from": "seeds"}, "backbone trained by the stage seeds"),
        ({}, "random weights"),
        ({"model.backbone.pretrained": "imagenet"}, "ImageNet (torchvision or timm)"),
        ({"model.backbone.pretrained": "/some/where/w.pth"}, "ImageNet (w.pth)"),
        (
            {"model.backbone.pretrained": "a/coco.pth", "pretrained_on": "ImageNet and MS-COCO"},
            "ImageNet and MS-COCO (coco.pth)",
        ),
        (
            {"model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "open-mmlab://resnet50_v1c"}},
            "ImageNet (resnet50_v1c)",
        ),
    ],
)
def test_initialisation_is_told_without_paths(tiny_config, demo, tmp_path, settings, expected):
    tiny_config.merge_from_dict(settings)
    check = LabelCheck(images=6, ignored=0.1, compared=0, identical=0, untagged=())
    facts = describe_training(Job(tiny_config, demo, {}, tmp_path), check)
    assert facts["initialisation"] == expected


def test_full_supervision_says_so_and_needs_no_masks(tiny_config, demo, seeds, tmp_path):
    tiny_config.train_cfg.max_iters = 1
    tiny_config.weights_from = "seeds"
    tiny_config.infer.crf = True
    job = Job(tiny_config, demo, {"seeds": seeds}, tmp_path / "out")
    result = run(job)
    assert result.extra["supervision"] == "full supervision"
    assert result.extra["initialisation"] == "backbone trained by the stage seeds"
    assert "masks" not in result.extra
    assert 0 <= result.figures["mIoU_crf"] <= 1
    for image_id in demo.ids("val"):
        assert (tmp_path / "out" / "predictions_crf" / "val" / f"{image_id}.png").is_file()


def test_without_ground_truth_there_are_predictions_and_no_score(
    masks_config, demo, masks, tmp_path, monkeypatch
):
    monkeypatch.setattr(type(demo), "mask_path", lambda self, image_id: None)
    result = run(Job(masks_config, demo, {"masks": masks}, tmp_path / "out"))
    assert result.figures == {}
    predicted = read_mask(
        tmp_path / "out" / "predictions" / "val" / f"{demo.ids('val')[0]}.png", num_classes=6
    )
    assert predicted.size > 0


def test_damaged_mask_is_named_before_training(masks_config, demo, masks, tmp_path):
    image_id = demo.ids("train")[4]
    write_mask(masks.file(image_id), np.full((4, 4), 1))
    with pytest.raises(Exception, match=rf"got \(4, 4\) at .*{image_id}\.png"):
        run(Job(masks_config, demo, {"masks": masks}, tmp_path / "out"))
    assert not (tmp_path / "out" / "train").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"supervision": "full"}, "expected supervision 'masks' or 'ground_truth', got 'full'", id="typo"
        ),
        pytest.param(
            {"supervision": "masks"},
            r"expected 'masks' in reads for supervision 'masks', got \(\)",
            id="reads",
        ),
    ],
)
def test_contradictory_supervision_is_refused(tiny_config, demo, tmp_path, settings, message):
    tiny_config.merge_from_dict(settings)
    with pytest.raises(ConfigError, match=message):
        masks_folder(Job(tiny_config, demo, {}, tmp_path))


def test_contradictory_weights_are_refused(tiny_config, demo, seeds, tmp_path):
    tiny_config.weights_from = "seeds"
    with pytest.raises(ConfigError, match=r"got 'seeds' and reads \(\): correct 'weights_from' or 'reads'"):
        seeds_backbone(Job(tiny_config, demo, {}, tmp_path))
    (seeds.dir / "train" / "backbone.pth").unlink()
    with pytest.raises(ConfigError, match="run the stage seeds, or set weights_from=None"):
        seeds_backbone(Job(tiny_config, demo, {"seeds": seeds}, tmp_path))


def test_the_flag_reaches_the_stage_segment_alone(monkeypatch):
    seen = {}

    def note(name, dataset, *, options, **rest):
        seen[name] = options
        return []

    monkeypatch.setattr(command, "_run_with_baselines", note)
    monkeypatch.setattr(command, "_print_figures", lambda artifacts, as_json: None)
    result = CliRunner().invoke(app, ["run", "all", "demo", "--allow-ground-truth"])
    assert result.exit_code == 0, result.output
    assert seen == {"seeds": [], "refine": [], "segment": ["allow_ground_truth=True"]}
