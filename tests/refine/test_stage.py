"""The stage on a tiny data set: everything published, resumed without work, wrong seeds refused, warnings."""

import dataclasses
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from refine import stage as refine_stage
from refine.guard import (
    Shares,
    check_seeds,
    classes_at_the_rim,
    thresholds_to_try,
    warn_of_rims,
    warn_of_shares,
)
from refine.labels import write_confident_labels
from refine.methods import method_defaults
from refine.model import IRNet
from refine.stage import STAGE, parts, run
from refine.train import build_irnet, load_irnet, measure_mean_shift, parameter_groups
from wsss.artifacts import Artifact, read_mask, read_seed, write_mask, write_seed
from wsss.config import Settings
from wsss.errors import ArtifactError, ConfigError
from wsss.keys import settings_that_matter
from wsss.metrics import confusion_matrix, mean_iou
from wsss.stage import Input, Job, Preview
from wsss.thresholds import Threshold

CLASSES = ("bar", "block")
SIZE = (48, 40)


class Blocks:
    """Four images with one bright rectangle each, in the manner of `wsss.datasets.DataSet`."""

    name = "blocks"
    classes = CLASSES

    def __init__(self, folder: Path, *, truth: bool = True) -> None:
        self.folder, self.has_truth = folder, truth
        rng = np.random.default_rng(0)
        for number, image_id in enumerate(self.ids("train")):
            mask = np.zeros(SIZE, np.uint8)
            mask[12:36, 8:30] = number % 2 + 1
            image = np.where(mask[..., None] > 0, 200, 40) + rng.integers(0, 20, (*SIZE, 3))
            self.image_path(image_id).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint8)).save(self.image_path(image_id))
            write_mask(folder / "truth" / f"{image_id}.png", mask)

    def ids(self, split: str) -> tuple[str, ...]:
        return ("a", "b", "sub/c 1", "d")

    def image_path(self, image_id: str) -> Path:
        return self.folder / "images" / f"{image_id}.png"

    image_file = image_path

    def tags(self, image_id: str) -> tuple[int, ...]:
        return (self.ids("train").index(image_id) % 2 + 1,)

    def mask_path(self, image_id: str) -> Path | None:
        return self.folder / "truth" / f"{image_id}.png" if self.has_truth else None

    def truth(self, image_id: str) -> np.ndarray:
        return read_mask(self.mask_path(image_id))


@pytest.fixture
def blocks(tmp_path):
    return Blocks(tmp_path)


@pytest.fixture
def seeds(tmp_path, blocks):
    folder = tmp_path / "seeds"
    for image_id in blocks.ids("train"):
        maps = np.full((1, 12, 10), 0.02, np.float32)
        maps[0, 3:9, 2:7] = 0.9
        write_seed(folder / f"{image_id}.npz", classes=np.array(blocks.tags(image_id)), maps=maps, size=SIZE)
    manifest = {"kind": "seeds", "split": "train", "key": "k", "image_ids": list(blocks.ids("train"))}
    return Artifact(folder, manifest)


def tiny_config(**model) -> Config:
    config = Config.fromfile(Path(__file__).parents[2] / "configs" / "_base_" / "refine.py")
    config.merge_from_dict(method_defaults(config))
    config.merge_from_dict(
        {
            "model": {"backbone": "plain8", "pretrained": None} | model,
            "labels": {"num_workers": 2},
            "train": {"radius": 3.0, "crop": 48, "epochs": 1, "batch_size": 2, "num_workers": 0},
        }
    )
    return config


@pytest.fixture
def job(tmp_path, blocks, seeds):
    return Job(Settings(tiny_config()), dataset=blocks, inputs={"seeds": seeds}, out_dir=tmp_path / "masks")


def test_contract():
    assert (STAGE.name, STAGE.writes, STAGE.run) == ("refine", "masks", run)
    assert STAGE.reads(tiny_config()) == ("seeds",)


def test_stage_publishes_masks_and_continues(job, blocks, monkeypatch):
    result = run(job)
    assert result.image_ids == blocks.ids("train")
    assert result.split == "train"
    for image_id in result.image_ids:
        mask = read_mask(job.out_dir / f"{image_id}.png", num_classes=2, size=SIZE)
        assert set(np.unique(mask)) <= {0, *blocks.tags(image_id)}
        read_mask(job.out_dir / "confident" / f"{image_id}.png", num_classes=2, size=SIZE)
        assert read_seed(job.out_dir / "walk" / f"{image_id}.npz").size == SIZE
        with Image.open(job.out_dir / "edge" / f"{image_id}.png") as edge:
            assert (edge.mode, edge.size) == ("I;16", (10, 12))
    assert 0 < result.figures["mIoU"] <= result.figures["mIoU_oracle_background_score"] <= 1
    assert 0.01 < result.figures["confident_share"] <= 1
    assert result.thresholds["background_score"] == Threshold(0.22, "program")
    assert result.thresholds["oracle_background_score"].chosen_by == "oracle, train"
    seconds = result.extra["seconds_per_image"]
    assert set(seconds) == {"confident_label", "training", "edge", "walk", "mask"}
    assert all(value > 0 for value in seconds.values())
    # Killed in the middle: one mask and one walk are gone, nothing else is made again.
    state = torch.load(job.out_dir / "train" / "irnet.pth", weights_only=True)
    assert state["mean_shift"].abs().sum() > 0
    before = read_mask(job.out_dir / "b.png")
    (job.out_dir / "b.png").unlink()
    (job.out_dir / "walk" / "b.npz").unlink()
    times = {file: file.stat().st_mtime_ns for file in job.out_dir.rglob("*.*") if "b." not in file.name}
    monkeypatch.setattr("refine.train.train_network", None)
    again = run(job)
    np.testing.assert_array_equal(read_mask(job.out_dir / "b.png"), before)
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert again.figures == result.figures
    seconds = again.extra["seconds_per_image"]
    # None: all of it lay there already.
    assert (seconds["confident_label"], seconds["training"], seconds["edge"]) == (None, None, None)
    assert seconds["walk"] > 0


def test_class_agnostic_seeds_are_the_maps_of_the_only_tag(job, blocks, seeds, tmp_path):
    job.config.model.displacement = False
    plain = tmp_path / "plain"
    settings = job.config.labels
    write_confident_labels(blocks, seeds, image_ids=seeds.ids, out_dir=plain, settings=settings)
    for image_id in seeds.ids:
        class_map = read_seed(seeds.file(image_id)).maps[0]
        write_seed(
            seeds.file(image_id),
            classes=np.zeros(0),
            maps=np.zeros((0, 12, 10)),
            size=SIZE,
            foreground=class_map / 2,
        )
    run(job)
    for image_id in seeds.ids:
        assert read_seed(job.out_dir / "walk" / f"{image_id}.npz").classes.tolist() == [
            *blocks.tags(image_id)
        ]
        # The maps differ by a factor alone, and no pixel passes a threshold by it.
        label = read_mask(job.out_dir / "confident" / f"{image_id}.png")
        np.testing.assert_array_equal(label, read_mask(plain / f"{image_id}.png"))


def test_figures_are_of_the_split_to_score_and_of_all_images_beside(job, blocks):
    everything = run(job)
    images = blocks.ids("train")
    blocks.ids = lambda split: images[:1] if split == "some" else images
    job.config.score_split = "some"
    part = run(job)
    truth = {one: blocks.truth(one) for one in images}
    mask = read_mask(job.out_dir / f"{images[0]}.png")
    own = confusion_matrix(mask, truth[images[0]], 2)
    assert part.figures["mIoU"] == pytest.approx(mean_iou(own), abs=1e-6)
    assert part.figures["images"] == 1
    for name in ("mIoU", "mIoU_oracle_background_score", "images"):
        assert part.figures[f"{name}_all"] == everything.figures[name]
    assert part.thresholds["oracle_background_score"].chosen_by == "oracle, some"
    assert part.thresholds["oracle_background_score_all"] == everything.thresholds["oracle_background_score"]
    assert part.image_ids == images
    job.config.dataset = {"train_split": "train"}
    assert STAGE.splits(job.config) == ("train", "some")
    assert all("score_split" in free for free in STAGE.parts(job.config).values())


def test_no_ground_truth_no_score(job, tmp_path):
    blind = dataclasses.replace(
        job, dataset=Blocks(tmp_path, truth=False), settings=Settings(tiny_config(displacement=False))
    )
    result = run(blind)
    assert set(result.figures) == {"confident_share"}
    assert "oracle_background_score" not in result.thresholds


@pytest.mark.parametrize("num_workers", [1, 3])
def test_confident_labels_do_not_depend_on_the_workers(tmp_path, blocks, seeds, num_workers):
    out = tmp_path / f"confident-{num_workers}"
    settings = tiny_config().labels | {"background_threshold": 0.1, "num_workers": num_workers}
    assert write_confident_labels(blocks, seeds, image_ids=seeds.ids, out_dir=out, settings=settings) == 4
    label = read_mask(out / "sub" / "c 1.png")
    # The seed's core is the class; far away is background.
    assert label[24, 18] == 1
    assert label[2, 2] == 0
    assert write_confident_labels(blocks, seeds, image_ids=seeds.ids, out_dir=out, settings=settings) == 0


def test_edges_are_kept_apart_from_walks(job, monkeypatch):
    run(job)
    for file in [*job.out_dir.glob("*.png"), *job.out_dir.glob("walk/*.npz")]:
        file.unlink()
    monkeypatch.setattr("refine.infer.edge_of_image", None)
    job.config.infer.beta = 2.0
    assert run(job).extra["seconds_per_image"]["edge"] is None


def test_padding_is_the_only_inference_setting_that_edges_depend_on(job):
    free = parts(job.config)["edge"]
    assert "infer.pad_to" not in free
    assert {f"infer.{name}" for name in job.config.infer} - set(free) == {"infer.pad_to"}
    assert "infer.pad_to" not in parts(job.config)["walk"]
    assert "infer" in parts(job.config)["train"]
    run(job)
    plain = (job.out_dir / "edge" / "sub" / "c 1.png").read_bytes()
    for folder in ("edge", "walk"):
        shutil.rmtree(job.out_dir / folder)
    job.config.infer.pad_to = 128
    run(job)
    assert (job.out_dir / "edge" / "sub" / "c 1.png").read_bytes() != plain


def test_a_given_network_is_not_trained(job, tmp_path):
    torch.manual_seed(3)
    trained = IRNet("plain8", displacement=False)
    torch.save(trained.state_dict(), tmp_path / "irnet.pth")
    job.config.model.irnet.pretrained = str(tmp_path / "irnet.pth")
    result = run(job)
    assert not (job.out_dir / "train").exists()
    assert not (job.out_dir / "confident").exists()
    assert "not trained here" in result.extra["initialisation"]
    assert "confident_share" not in result.figures
    assert load_irnet(job.config, job.inputs["seeds"]).edge.logit.weight.equal(trained.edge.logit.weight)


def test_unsure_pixels_and_crf(job):
    job.config.infer.unsure_margin = 0.15
    job.config.infer.crf = True
    result = run(job)
    share = np.mean([(read_mask(job.out_dir / f"{one}.png") == 255).mean() for one in result.image_ids])
    assert result.figures.get("unsure_share", 0) == pytest.approx(share, abs=1e-4)


def test_image_specific_thresholds_are_asked_for(job):
    job.config.labels.image_specific = True
    with pytest.raises(ArtifactError, match="expected seeds with image-specific thresholds, got"):
        run(job)


def test_image_specific_thresholds_bring_faint_maps_out(tmp_path, blocks, seeds):
    maps = np.full((1, 12, 10), 0.02, np.float32)
    maps[0, 3:9, 2:7] = 0.25
    for image_id in seeds.ids:
        classes = np.array(blocks.tags(image_id))
        write_seed(seeds.file(image_id), classes=classes, maps=maps, size=SIZE, thresholds=np.array([0.1]))
    labels = {}
    for image_specific in (False, True):
        out = tmp_path / f"confident-{image_specific}"
        settings = tiny_config().labels | {"image_specific": image_specific}
        write_confident_labels(blocks, seeds, image_ids=seeds.ids, out_dir=out, settings=settings)
        labels[image_specific] = read_mask(out / "a.png")
    assert not (labels[False] == 1).any()
    assert labels[True][24, 18] == 1
    assert labels[True][2, 2] == 0


def test_all_wrong_seeds_are_listed(tmp_path, blocks, seeds):
    write_seed(seeds.file("a"), classes=np.array([2]), maps=np.zeros((1, 12, 10)), size=SIZE)
    write_seed(seeds.file("d"), classes=np.array([2]), maps=np.zeros((1, 12, 11)), size=(48, 41))
    seeds.file("b").write_bytes(b"broken")
    seeds.manifest["image_ids"].remove("sub/c 1")
    seeds.manifest["image_ids"].append("e")
    with pytest.raises(ArtifactError) as caught:
        check_seeds(seeds, blocks)
    message = str(caught.value)
    assert "expected seeds of the 4 images of split train" in message
    assert "got 4 seeds and 5 problems" in message
    assert "sub/c 1: no seed" in message
    assert "e: no such image" in message
    assert "a: classes [2] are not among its tags" in message
    assert "b: expected an npz with classes, maps and size" in message
    assert "d: size (48, 41), its image has (48, 40)" in message
    assert "correct --seeds" in message


@pytest.mark.parametrize(
    ("shares", "warning"),
    [
        (Shares(0.3, 0.3), None),
        (Shares(0.002, 0.002), "got 0.4 %, 0.2 % and 0.2 % on 4 images with thresholds 0.30 and 0.17"),
        (Shares(0.6, 0.395), "got 99.5 %, 60.0 % and 39.5 %"),
        (Shares(0.7, 0.0), "got 70.0 %, 70.0 % and 0.0 %"),
        (Shares(0.0, 0.7), "got 70.0 %, 0.0 % and 70.0 %"),
    ],
)
def test_guard_of_the_confident_share(caplog, seeds, shares, warning):
    with caplog.at_level(logging.WARNING, logger="wsss"):
        warn_of_shares(shares, seeds, seeds.ids, tiny_config().labels)
    assert (warning in caplog.text) if warning else not caplog.records


@pytest.mark.parametrize(("images", "is_warned"), [(12, True), (9, False)])
def test_classes_along_the_border_are_named(tmp_path, caplog, images, is_warned):
    """Two classes: the maps of one along the border, those of the other in the middle."""
    border = np.full((20, 30), 0.9, np.float32)
    border[4:16, 6:24] = 0.3
    ids = [f"i{number}" for number in range(images)]
    for image_id in ids:
        write_seed(
            tmp_path / f"{image_id}.npz",
            classes=np.array([1, 2]),
            maps=np.stack([border, 1 - border]),
            size=(80, 120),
        )
    found = Artifact(tmp_path, {"kind": "seeds", "split": "train", "key": "k", "image_ids": ids})
    two = SimpleNamespace(classes=("chair", "dog"), tags=lambda image_id: (1, 2))
    with caplog.at_level(logging.WARNING, logger="wsss"):
        warn_of_rims(found, two)
    assert ("got the opposite for chair: they may show" in caplog.text) == is_warned


def test_images_of_a_few_cells_have_no_border(tmp_path):
    write_seed(tmp_path / "a.npz", classes=np.array([1]), maps=np.ones((1, 2, 3), np.float32), size=(8, 12))
    found = Artifact(tmp_path, {"kind": "seeds", "split": "train", "key": "k", "image_ids": ["a"] * 12})
    assert classes_at_the_rim(found, SimpleNamespace(classes=("dog",), tags=lambda _: (1,)), found.ids) == []


def test_thresholds_to_try_part_the_pixels(seeds):
    ramp = np.linspace(0, 1, 120, dtype=np.float32).reshape(1, 12, 10)
    for image_id in seeds.ids:
        write_seed(seeds.file(image_id), classes=np.array([1]), maps=ramp, size=SIZE)
    # Half of the pixels below the lower one, a quarter above the higher one; seeds are stored as float16.
    assert thresholds_to_try(seeds, seeds.ids, tiny_config().labels) == pytest.approx((0.5, 0.75), abs=0.01)


def test_another_threshold_makes_the_masks_stale():
    config = tiny_config()
    before = settings_that_matter(config)
    config.labels.foreground_threshold = 0.4
    assert settings_that_matter(config) != before


def test_weights_from_seeds(seeds, tmp_path):
    donor = IRNet("plain8").backbone.state_dict()
    (seeds.dir / "train").mkdir()
    torch.save(donor, seeds.dir / "train" / "backbone.pth")
    network = build_irnet(tiny_config(pretrained="seeds"), seeds)
    assert all(torch.equal(value, donor[name]) for name, value in network.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"pretrained": "seeds"},
            r"expected the backbone that the stage seeds trained at .*backbone.pth, found no",
        ),
        ({"pretrained": "nowhere.pth"}, "nowhere.pth, found no file"),
    ],
)
def test_wrong_weights(seeds, model, message):
    with pytest.raises((ArtifactError, ConfigError), match=message):
        build_irnet(tiny_config(**model), seeds)


def test_mean_shift_is_the_mean_over_images(blocks, monkeypatch):
    network = IRNet("plain8").eval()
    measure_mean_shift(network, blocks, ["a", "d"])
    shift = network.mean_shift.clone()
    assert shift.abs().sum() > 0
    measure_mean_shift(network, blocks, ["a"])
    first = network.mean_shift.clone()
    measure_mean_shift(network, blocks, ["d"])
    # What was measured before is taken off first, so measuring twice gives the same.
    torch.testing.assert_close(shift, (first + network.mean_shift) / 2)


def test_parameter_groups():
    network = IRNet("plain8")
    groups = parameter_groups(network, {"learning_rate": 0.1, "displacement_factor": 10.0})
    assert [group.get("lr") for group in groups] == [None, 1.0]
    counted = sum(len(group["params"]) for group in groups)
    assert counted == sum(parameter.requires_grad for parameter in network.parameters())
    assert refine_stage.STAGE.schema == 2


def test_seeds_of_another_backbone_are_refused_before_anything_is_made(blocks, tmp_path):
    inputs = {"seeds": Input("seeds", tmp_path, "key", {"model.backbone": "resnet50"})}
    with pytest.raises(ConfigError, match=r"expected seeds on 'plain8' .* got 'resnet50'"):
        STAGE.check(Preview(tiny_config(pretrained="seeds"), blocks, inputs))
    STAGE.check(Preview(tiny_config(), blocks, inputs))


def test_more_classes_than_8_bits_tell_apart_are_refused(blocks, tmp_path):
    blocks.classes = tuple(map(str, range(255)))
    inputs = {"seeds": Input("seeds", tmp_path, "key", {})}
    with pytest.raises(ConfigError, match="at most 254 classes, got 255 of blocks"):
        STAGE.check(Preview(tiny_config(), blocks, inputs))


def test_parts_do_not_depend_on_ground_truth():
    assert all("ground truth" in free for free in STAGE.parts(tiny_config()).values())
