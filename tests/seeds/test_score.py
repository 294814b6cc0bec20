"""Figures of seeds: of the split to score, of all images, and of the network's own CAM."""

import numpy as np
import pytest
import torch

from seeds.contract import Seeds
from seeds.fuse import combine
from seeds.infer import OWN_CAM, multi_scale_maps, write_seeds
from seeds.model import BASNet
from seeds.score import score_seeds
from seeds.stage import STAGE
from wsss.artifacts import read_seed
from wsss.cli.stages import load_config
from wsss.config import Settings
from wsss.datasets import DataSet, build_dataset
from wsss.engine import run_stage
from wsss.evaluate import evaluate_masks, oracle, sweep_seeds
from wsss.images import normalize_image, read_image
from wsss.stage import Job

SMALL = (
    "dataset.train=6", "dataset.val=4", "dataset.side=96", "train.resize=48", "train.crop=40",
    "train.epochs=2", "train.batch_size=3", "train.num_workers=0", "model.warmup_epochs=1",
)  # fmt: skip
PLAIN = ("mIoU", "mIoU_fixed_threshold", "mIoU_image_specific", "images")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("scored")


def publish(root, name, *options):
    options = (*SMALL, f"dataset.root={root / 'data'}", *options)
    config = load_config("seeds", "demo", options=options)
    artifact = run_stage(STAGE, Settings(config), dataset_name="demo", work_dir=root / name)
    return artifact, build_dataset(config.dataset)


@pytest.fixture(scope="module")
def published(root):
    """The demo's BAS seeds after two epochs."""
    return publish(root, "plain")


def test_the_networks_own_cam_is_scored_beside_its_seeds(published):
    artifact, dataset = published
    figures, thresholds = artifact.manifest["figures"], artifact.manifest["thresholds"]
    files = [artifact.dir / OWN_CAM / f"{one}.npz" for one in artifact.ids]
    by_id = dict(zip(artifact.ids, files, strict=True))
    sweep = sweep_seeds(lambda one: read_seed(by_id[one]), dataset, artifact.ids)
    assert figures["mIoU_own_cam"] == oracle(sweep, "train")[0]["mIoU"]
    assert thresholds["own_cam"] == oracle(sweep, "train")[1].as_json()

    def at_the_fixed_threshold(image_id):
        seed = read_seed(by_id[image_id])
        maps = seed.upsample()
        return np.where(maps.max(axis=0) > 0.3, seed.classes[maps.argmax(axis=0)], 0).astype(np.uint8)

    expected = evaluate_masks(at_the_fixed_threshold, dataset, artifact.ids).figures()["mIoU"]
    assert figures["mIoU_own_cam_fixed_threshold"] == pytest.approx(expected, abs=1e-6)


def test_the_own_cam_is_the_classifiers_over_the_same_scales(published):
    artifact, dataset = published
    config = load_config("seeds", "demo")
    network = BASNet("plain8", len(dataset.classes), normalize_features=True).eval()
    network.load_state_dict(torch.load(artifact.dir / "train/network.pth"))
    one = artifact.ids[0]
    image = normalize_image(read_image(dataset.image_file(one)))[None]

    class Classifier(torch.nn.Module):
        def seed_maps(self, batch):
            return network.classify(network.extract(batch)).relu()

    labels = dataset.tags(one)
    maps = multi_scale_maps(
        Classifier(), image, scales=config.infer.scales, flip=True, channels=[label - 1 for label in labels]
    )
    maps = maps / (maps.amax(dim=(1, 2), keepdim=True) + 1e-5)
    own = read_seed(artifact.dir / OWN_CAM / f"{one}.npz")
    assert own.classes.tolist() == list(labels)
    # float16 in the file.
    np.testing.assert_allclose(own.maps, maps.numpy(), atol=1e-3)


def test_without_the_own_cam_seeds_are_the_same(published, root):
    artifact, _ = published
    other, _ = publish(root, "without", "infer.own_cam=False")
    assert not (other.dir / OWN_CAM).exists()
    assert "mIoU_own_cam" not in other.manifest["figures"]
    for one in artifact.ids:
        assert artifact.file(one).read_bytes() == other.file(one).read_bytes()


def test_the_own_cam_is_added_to_the_seeds_where_asked_for(published, root):
    artifact, _ = published
    both, _ = publish(root, "added", "infer.add_own_cam=True")
    assert both.manifest["figures"]["mIoU_own_cam"] == artifact.manifest["figures"]["mIoU_own_cam"]
    for one in artifact.ids:
        own = read_seed(artifact.dir / OWN_CAM / f"{one}.npz")
        expected = combine([read_seed(artifact.file(one)).maps, own.maps])
        # float16 in the files.
        np.testing.assert_allclose(read_seed(both.file(one)).maps, expected, atol=2e-3)
    alone, _ = publish(root, "added alone", "infer.add_own_cam=True", "infer.own_cam=False")
    assert not (alone.dir / OWN_CAM).exists()
    assert all(alone.file(one).read_bytes() == both.file(one).read_bytes() for one in artifact.ids)


def test_figures_are_of_the_split_to_score_and_of_all_images_beside(published):
    artifact, dataset = published
    config = load_config("seeds", "demo", options=[*SMALL, "score_split=some"])
    some = artifact.ids[::2]

    class Halved(DataSet):
        """The data set with half of the images as a split of their own."""

        classes = dataset.classes
        image_path, tags, mask_path = dataset.image_path, dataset.tags, dataset.mask_path

        def ids(self, split):
            return some if split == "some" else dataset.ids(split)

    figures, thresholds = score_seeds(
        Job(Settings(config), Halved(), {}, artifact.dir), Seeds("train", artifact.ids, has_own_cam=True)
    )
    everything = artifact.manifest["figures"]
    assert {f"{name}_all" for name in PLAIN} <= set(figures)
    assert all(figures[f"{name}_all"] == everything[name] for name in PLAIN)
    assert thresholds["seed_all"].as_json() == artifact.manifest["thresholds"]["seed"]
    sweep = sweep_seeds(lambda one: read_seed(artifact.file(one)), dataset, some)
    assert figures["mIoU"] == oracle(sweep, "some")[0]["mIoU"]
    assert figures["images"] == len(some)
    assert thresholds["seed"].chosen_by == "oracle, some"
    own = sweep_seeds(lambda one: read_seed(artifact.dir / OWN_CAM / f"{one}.npz"), dataset, some)
    assert figures["mIoU_own_cam"] == oracle(own, "some")[0]["mIoU"]
    assert "mIoU_own_cam_all" not in figures


def test_an_interrupted_comparison_is_made_up_for(published):
    artifact, dataset = published
    one = artifact.ids[1]
    before = artifact.file(one).read_bytes()
    cam = artifact.dir / OWN_CAM / f"{one}.npz"
    expected = cam.read_bytes()
    cam.unlink()
    network = BASNet("plain8", len(dataset.classes), normalize_features=True)
    network.load_state_dict(torch.load(artifact.dir / "train/network.pth"))
    settings = load_config("seeds", "demo").infer
    write_seeds(
        network, dataset, artifact.ids, out_dir=artifact.dir, settings=settings, own_cam_of=artifact.ids
    )
    assert cam.read_bytes() == expected
    assert artifact.file(one).read_bytes() == before
