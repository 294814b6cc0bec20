"""The stage on a tiny data set: what it publishes, what it reads, what it refuses."""

import json
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config

from segment.checks import LabelCheck
from segment.stage import STAGE, describe_training, run, seeds_backbone
from wsss.artifacts import MANIFEST, Artifact, read_mask, write_json, write_mask
from wsss.backbones import build_backbone
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError, ConfigError
from wsss.metrics import confusion_matrix, mean_iou
from wsss.stage import Input, Job, Preview


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
    tiny_config.train_cfg.max_iters = 2
    return tiny_config


def test_stage_trains_on_masks_predicts_and_scores(masks_config, demo, masks, tmp_path):
    work = tmp_path / "work"
    artifact = run_stage(STAGE, Settings(masks_config), dataset_name="tiny", work_dir=work)
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
    assert (scores["precision"], scores["mean_precision"] <= 1) == ("fp32", True)
    assert scores["weights"] == "last iteration"
    assert scores["random_seed"] == 0
    assert 0.02 < scores["ignored_pixels"] < 0.04
    assert scores["seconds_per_prediction"]["network"] > 0
    table = (work / "segment" / "scores.md").read_text()
    assert f"| **mIoU** | {100 * scores['mIoU']:.1f} |" in table
    assert "- supervision: masks" in table
    assert Config.fromfile(work / "segment" / "config.py").model.decode_head.num_classes == 7
    assert scores["iterations"] == 2
    written = (work / "segment" / "train" / "network.pth").stat().st_mtime_ns
    run_stage(STAGE, Settings(masks_config), dataset_name="tiny", work_dir=work)
    assert (work / "segment" / "train" / "network.pth").stat().st_mtime_ns == written


def test_ground_truth_as_masks_is_refused_or_called_so(masks_config, demo, masks, tmp_path):
    for image_id in demo.ids("train"):
        write_mask(masks.file(image_id), read_mask(demo.mask_path(image_id)))
    job = Job(Settings(masks_config), demo, {"masks": masks}, tmp_path / "out")
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
        ({"model.pretrained": "seeds"}, "backbone trained by the stage seeds"),
        ({}, "random weights"),
        ({"model.pretrained": "imagenet"}, "ImageNet (torchvision or timm)"),
        ({"model.pretrained": "/some/where/w.pth"}, "ImageNet (w.pth)"),
        (
            {"model.pretrained": "a/coco.pth", "pretrained_on": "ImageNet and MS-COCO"},
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
    facts = describe_training(Job(Settings(tiny_config), demo, {}, tmp_path), check)
    assert facts["initialisation"] == expected


def test_full_supervision_says_so_and_needs_no_masks(tiny_config, demo, seeds, tmp_path):
    tiny_config.train_cfg.max_iters = 1
    tiny_config.model.pretrained = "seeds"
    tiny_config.infer.crf = True
    job = Job(Settings(tiny_config), demo, {"seeds": seeds}, tmp_path / "out")
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
    result = run(Job(Settings(masks_config), demo, {"masks": masks}, tmp_path / "out"))
    assert result.figures == {}
    predicted = read_mask(
        tmp_path / "out" / "predictions" / "val" / f"{demo.ids('val')[0]}.png", num_classes=6
    )
    assert predicted.size > 0


def test_damaged_mask_is_named_before_training(masks_config, demo, masks, tmp_path):
    image_id = demo.ids("train")[4]
    write_mask(masks.file(image_id), np.full((4, 4), 1))
    with pytest.raises(Exception, match=rf"got \(4, 4\) at .*{image_id}\.png"):
        run(Job(Settings(masks_config), demo, {"masks": masks}, tmp_path / "out"))
    assert not (tmp_path / "out" / "train").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"supervision": "masks"}, ("masks",)),
        ({"supervision": "masks", "model.pretrained": "seeds"}, ("masks", "seeds")),
        ({"supervision": "ground_truth"}, ()),
        ({"supervision": "ground_truth", "model.pretrained": "seeds"}, ("seeds",)),
    ],
)
def test_what_it_reads_follows_from_supervision_and_weights(tiny_config, settings, expected):
    tiny_config.merge_from_dict(settings)
    assert STAGE.reads(tiny_config) == expected


def test_seeds_without_a_backbone_are_refused(tiny_config, demo, seeds, tmp_path):
    tiny_config.model.pretrained = "seeds"
    (seeds.dir / "train" / "backbone.pth").unlink()
    with pytest.raises(
        ArtifactError, match=r"run the stage seeds, or start from other weights \(--weights\)"
    ):
        seeds_backbone(Job(Settings(tiny_config), demo, {"seeds": seeds}, tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"supervision": "full"}, "expected supervision one of 'masks', 'ground_truth', got 'full'"),
        ({"select": "first"}, "expected select one of 'last', 'best', got 'first'"),
        (
            {"amp": "fp8"},
            "expected amp one of None, 'bf16', 'fp16' (fp16 needs a GPU, bf16 does not), got 'fp8'",
        ),
        ({"train_cfg.max_iters": -1}, "expected train_cfg.max_iters at least 1, got -1"),
        ({"infer.scales": (0.5, -1)}, "expected infer.scales above 0, got"),
        ({"infer.scales": ()}, "expected at least one scale, got none"),
        ({"model.decode_head.in_channels": 5}, "in_channels=128 for level 4 of plain8, got 5"),
        ({"model.pretrained": "nowhere.pth"}, "nowhere.pth, found no file"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(tiny_config, demo, settings, message):
    tiny_config.merge_from_dict(settings)
    with pytest.raises(ConfigError, match=re.escape(message)):
        STAGE.check(Preview(tiny_config, demo, {}))


def test_a_backbone_of_another_network_is_refused(tiny_config, demo, tmp_path):
    tiny_config.model.pretrained = "seeds"
    inputs = {"seeds": Input("seeds", tmp_path, "key", {"model.backbone": "resnet50"})}
    with pytest.raises(ConfigError, match=r"expected seeds on 'plain8' .* got 'resnet50'"):
        STAGE.check(Preview(tiny_config, demo, inputs))


def test_a_training_does_not_depend_on_what_is_predicted(tiny_config):
    tiny_config.supervision = "masks"
    assert STAGE.parts(tiny_config)["train"] == (
        "infer", "data val", "ground truth val", "ground truth train",
    )  # fmt: skip
    tiny_config.supervision = "ground_truth"
    tiny_config.select = "best"
    assert STAGE.parts(tiny_config)["train"] == ("infer",)
